"""The page for people: one document for each language, and what it loads."""

from service.web.assets import Asset, asset, assets_folder
from service.web.page import Page, page

__all__ = ["Asset", "Page", "asset", "assets_folder", "page"]
