"""The package inside web frameworks: ``integrations.aiohttp`` and ``integrations.fastapi``."""
