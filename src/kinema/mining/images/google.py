"""Google's image pages in headless Chromium. A result is a box with its page in `data-lpage`; its link gets the address of
the image (`/imgres?imgurl=…`) only when the mouse comes near, and its thumbnail is base64 or comes when it is scrolled to."""

from __future__ import annotations

from kinema.mining.images.engines import EngineSettings, register_engine
from kinema.mining.images.result_pages import ResultPages, Site

GOOGLE = Site(
    name="google",
    address="https://www.google.com/search?q={query}&udm=2&hl=en",
    variable="KINEMA_GOOGLE_ADDRESS",
    more=("input.mye4qd", ".mye4qd", "a.frGj1b"),
    filters={"open": "&tbs=il:cl"},  # Creative Commons, of any kind: what they allow is not asked for
    collect=r"""
        const boxes = [...document.querySelectorAll('div[data-lpage], div.isv-r[data-id], div[data-docid]')]
            .filter((box, index, all) => !all.some((other) => other !== box && other.contains(box)));
        for (const box of boxes) {
            for (const link of box.querySelectorAll('a:not([href])')) {
                for (const kind of ['mouseover', 'mouseenter', 'mousedown', 'focus'])
                    link.dispatchEvent(new MouseEvent(kind, {bubbles: true}));
            }
        }
        await new Promise((next) => setTimeout(next, 100));
        return boxes.map((box, index) => {
            const link = box.querySelector('a[href*="imgurl="]');
            const asked = link ? new URL(link.href, location.href).searchParams : new URLSearchParams();
            // Icons of sites stand beside some pictures, and grey squares in the place of those that have not come.
            const shown = [...box.querySelectorAll('img')].map((image) =>
                image.getAttribute('data-src') || image.getAttribute('data-iurl') || image.getAttribute('src') || '')
                .find((source) => source.length > 20 && !/^data:image\/(gif|svg)/i.test(source) && !/favicon/i.test(source));
            const heading = box.querySelector('h3, [role=heading]');
            return {
                id: box.dataset.docid || box.dataset.id || box.dataset.lpage + '#' + index,
                source: asked.get('imgurl'),
                page: asked.get('imgrefurl') || box.dataset.lpage || null,
                title: heading ? heading.innerText : null,
                thumbnail: shown ? new URL(shown, location.href).href : null,
            };
        });
    """,
)


@register_engine("google")
def _google(settings: EngineSettings) -> ResultPages:
    return ResultPages(GOOGLE, settings.client, licence=settings.licence)
