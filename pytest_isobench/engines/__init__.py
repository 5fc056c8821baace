"""Container engines: Docker, or Podman through its Docker-compatible socket."""
