"""Text from templates: the project's own before those of the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_isobench.errors import UsageError, nearest

Filters = Mapping[str, Callable[[str], str]]


def render(file: str, values: Mapping[str, Any], *, folder: Path, packaged: Path, filters: Filters | None = None) -> str:
    """Return what a template makes of values; one in `folder` takes the place of the one in `packaged`, and may extend others of both.

    Raises:
        UsageError: there is no such template, or it cannot be used: a mistake in it, or a name that it does not have.
    """
    import jinja2

    # Not HTML: what stands in quotes is a filter's business.
    loader = jinja2.FileSystemLoader([folder, packaged])
    settings: dict[str, Any] = {"loader": loader, "undefined": jinja2.StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    environment = jinja2.Environment(**settings, keep_trailing_newline=True)  # noqa: S701
    environment.filters |= filters or {}
    try:
        return environment.get_template(file).render(values)
    except jinja2.TemplateSyntaxError as error:
        raise UsageError(f"{error.filename or folder / file}:{error.lineno}: {error.message}") from None
    except jinja2.TemplateNotFound as error:
        names, name = environment.list_templates(extensions=["j2"]), str(error.name or file)
        raise UsageError(f"there is no template {folder / name}{nearest(name, names)}; there are {', '.join(names)}") from None
    except (jinja2.TemplateError, TypeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}, from {folder} or the package: {error}") from None
