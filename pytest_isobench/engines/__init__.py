"""Container engines: Docker, or Podman through its Docker-compatible socket, and what must never be told to them."""
