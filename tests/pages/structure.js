// What axe-core's rules on names, ids, roles and order ask, written out.
() => {
  const found = [];
  const each = (selector) => [...document.querySelectorAll(selector)];
  const ids = each("[id]").map((e) => e.id);
  for (const id of ids) if (ids.filter((other) => other === id).length > 1) found.push("twice " + id);
  for (const e of each("[aria-controls], [aria-labelledby]"))
    for (const attribute of ["aria-controls", "aria-labelledby"])
      if (e.hasAttribute(attribute) && !document.getElementById(e.getAttribute(attribute)))
        found.push("points nowhere " + e.outerHTML.slice(0, 80));
  for (const e of each("img")) if (!e.alt) found.push("no alt " + e.outerHTML.slice(-80));
  for (const e of each("a[href^='#']"))
    if (!document.getElementById(e.hash.slice(1))) found.push("no target " + e.hash);
  for (const e of each("a, button, summary, input, [role='region']"))
    if (!(e.getAttribute("aria-label") || e.textContent).trim()) found.push("no name " + e.outerHTML);
  for (const e of each("th")) if (!e.scope) found.push("no scope " + e.textContent);
  for (const [tag, count] of [["main", 1], ["header", 1], ["footer", 1], ["nav", 1], ["h1", 1]])
    if (each(tag).length !== count) found.push(`${each(tag).length} of ${tag}`);
  const levels = each("h1, h2, h3, h4").map((e) => Number(e.tagName[1]));
  levels.forEach((level, i) => { if (i && level > levels[i - 1] + 1) found.push("skips to h" + level); });
  if (!document.documentElement.lang) found.push("no language");
  return found;
}
