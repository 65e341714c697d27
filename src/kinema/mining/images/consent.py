"""Pages and banners that ask for consent before results: cookies are refused where that can be chosen."""

from __future__ import annotations

from urllib.parse import urlsplit

from kinema.mining.images.browser import Browser
from kinema.mining.images.found import EngineError

_TRIES = 3

_ASKS = r"""
    const elsewhere = /(^|[./])consent([./]|$)/i.test(location.hostname + location.pathname);
    const form = document.querySelector('form[action*="consent"], #bnp_container, #consent, [id*="cookie-banner"]');
    return elsewhere || (form !== null && form.getClientRects().length > 0);
"""

# First what refuses, in the languages of most visitors, then what agrees.
_ANSWER = r"""
    const words = (list) => new RegExp("^\\s*(" + list.join("|") + ")", "i");
    const refuse = words(["reject", "decline", "deny", "refuse", "only necessary", "alle ablehnen", "ablehnen",
        "tout refuser", "refuser", "rechazar", "rifiuta", "weiger", "odrzu", "rejeitar"]);
    const agree = words(["accept", "agree", "i agree", "allow", "alle akzeptieren", "akzeptieren", "zustimmen",
        "tout accepter", "accepter", "aceptar", "accetta", "accepteren", "zaakceptuj", "aceitar"]);
    const buttons = [...document.querySelectorAll('button, input[type=submit], input[type=button], [role=button]')]
        .filter((one) => one.getClientRects().length > 0);
    const text = (one) => one.getAttribute('aria-label') || (one.tagName === 'INPUT' ? one.value : one.innerText) || '';
    const button = buttons.find((one) => refuse.test(text(one))) || buttons.find((one) => agree.test(text(one)));
    if (!button) return false;
    button.click();
    return true;
"""


def pass_consent(browser: Browser, url: str, wait: float) -> None:
    """Answer what asks for consent, if anything does, and come to the page `url`; `wait` in seconds for each answer.

    Raises `EngineError` when it cannot be answered.
    """
    for _ in range(_TRIES):
        if not browser.run(_ASKS):
            return
        if not browser.run(_ANSWER):
            break
        if browser.settle(wait, f"return !(() => {{ {_ASKS} }})();"):
            if urlsplit(browser.url).path != urlsplit(url).path:
                browser.open(url)
            return
    raise EngineError(
        f"{browser.url}: a page that asks for consent, and no button on it was known; try another engine"
    )
