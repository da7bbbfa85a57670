"""The web page: one document per language, and the assets that it loads."""

from service.web.assets import ASSETS, asset_names, assets_digest
from service.web.page import page

__all__ = ["ASSETS", "asset_names", "assets_digest", "page"]
