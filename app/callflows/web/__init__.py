"""The HTTP server: Opentact's requests, webhooks, status and metrics."""
