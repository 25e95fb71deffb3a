"""The package inside other software: ``integrations.aiohttp``, ``.fastapi`` and ``.redis``."""
