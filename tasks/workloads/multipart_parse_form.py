"""Read a form with fields and a file, as a web framework does for an upload that arrives in pieces."""

from python_multipart.multipart import MultipartParser

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def inputs(rng):
    """Return the boundary and the body of a form, cut into the pieces in which it arrives."""
    boundary = "".join(rng.choices(LETTERS, k=24))
    parts = []
    for _ in range(40):
        name, value = "".join(rng.choices(LETTERS, k=8)), "".join(rng.choices(LETTERS, k=60))
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: text/plain\r\n\r\n{value}\r\n')
    body = ("".join(parts) + f"--{boundary}--\r\n").encode()
    return [boundary.encode(), [body[start : start + 4096] for start in range(0, len(body), 4096)]]


def run(form):
    """Return the headers and the contents of every part."""
    boundary, pieces = form
    parts = []

    def begin():
        parts.append([b"", b"", b""])

    def collect(place):
        def take(data, start, end):
            parts[-1][place] += data[start:end]

        return take

    callbacks = {"on_part_begin": begin, "on_header_field": collect(0), "on_header_value": collect(1), "on_part_data": collect(2)}
    parser = MultipartParser(boundary, callbacks)
    for piece in pieces:
        parser.write(piece)
    parser.finalize()
    return parts
