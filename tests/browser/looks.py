"""What every page owes to whoever looks at it: room on a phone, contrast, and no error."""

from playwright.sync_api import Page

PHONE = {"width": 375, "height": 667}


def complaints(page: Page, url: str) -> list[str]:
    """Return a list that grows with every error in the page, and every request beyond `url`."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("request", lambda sent: wrong.append(sent.url) if url not in sent.url else None)
    return wrong


def assert_fits(page: Page) -> None:
    """Nothing is wider than the screen, and a thumb hits what can be pressed."""
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    size = page.evaluate(
        "Math.min(...[...document.querySelectorAll('button, .button, input, select')]"
        ".filter(e => e.getClientRects().length && e.type != 'hidden' && e.type != 'file')"
        ".map(e => e.getBoundingClientRect().height))"
    )
    assert size >= 40  # pixels


def assert_readable(page: Page) -> None:
    """Words stand out from what is behind them as WCAG 2.2 wants it, level AA."""
    worst = page.evaluate(CONTRAST)
    assert worst["ratio"] >= 4.5, worst


CONTRAST = """() => {
  const parse = text => text.match(/[0-9.]+/g).map(Number);
  const light = c => { const v = c.slice(0, 3).map(x => x / 255)
    .map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
    return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
  const behind = e => { for (; e; e = e.parentElement) {
    const c = parse(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  let worst = {ratio: 99};
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim());
    if (!own || !e.getClientRects().length || e.closest('.hidden, .skip, option, svg')) continue;
    const a = light(parse(getComputedStyle(e).color)), b = light(behind(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < worst.ratio) worst = {ratio, text: e.textContent.trim().slice(0, 40)};
  }
  return worst;
}"""
