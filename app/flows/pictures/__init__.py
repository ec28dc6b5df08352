"""Pictures of flows: as text that draws itself, and as SVG."""
