"""The texts that users read, in one catalogue per language."""

from service.i18n.catalogue import LANGUAGES, Catalogue, Language, Texts, texts
from service.i18n.negotiation import negotiate_language

__all__ = ["LANGUAGES", "Catalogue", "Language", "Texts", "negotiate_language", "texts"]
