"""Bing's image pages in headless Chromium. Each result is a link `a.iusc` with JSON of its addresses in `m`."""

from __future__ import annotations

from kinema.mining.images.engines import EngineSettings, register_engine
from kinema.mining.images.result_pages import ResultPages, Site

BING = Site(
    name="bing",
    address="https://www.bing.com/images/search?q={query}&form=HDRSC2&first=1",
    variable="KINEMA_BING_ADDRESS",
    more=("a.btn_seemore", ".btn_seemore", "#bop_container .mm_seemore a"),
    # The licences of Bing's menu: all Creative Commons; free to share and use commercially; to modify too.
    filters={
        "open": "&qft=+filterui:licenseType-Any",
        "commercial": "&qft=+filterui:license-L2_L3_L4",
        "modification": "&qft=+filterui:license-L2_L3_L5_L6",
    },
    collect=r"""
        return [...document.querySelectorAll('a.iusc[m]')].map((link, index) => {
            let about = {};
            try { about = JSON.parse(link.getAttribute('m')); } catch (error) { }
            const image = link.querySelector('img');
            const lazy = image && (image.getAttribute('data-src') || image.getAttribute('src'));
            const shown = lazy && !/^data:image\/gif/i.test(lazy) ? new URL(lazy, location.href).href : null;
            return {
                id: about.mid || about.murl || String(index),
                source: about.murl || null,
                page: about.purl || null,
                title: about.t || about.desc || null,
                thumbnail: about.turl || shown,
            };
        });
    """,
)


@register_engine("bing")
def _bing(settings: EngineSettings) -> ResultPages:
    return ResultPages(BING, settings.client, licence=settings.licence)
