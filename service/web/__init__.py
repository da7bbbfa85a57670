"""The web page: one document per language, and the assets that it loads."""

from service.web.assets import Asset, asset, assets_folder
from service.web.page import Page, page

__all__ = ["Asset", "Page", "asset", "assets_folder", "page"]
