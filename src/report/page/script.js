"use strict";
// Sorting, filtering and hover values. Everything can be read without it.
(() => {
  const all = (root, what) => Array.from(root.querySelectorAll(what));

  // A number as tables write it: "1,234.5", "~0.9", "−3"; words where it is none.
  const value = (cell) => {
    const copy = cell.cloneNode(true);
    all(copy, ".half, abbr").forEach((mark) => mark.remove());
    const text = copy.textContent.trim();
    const number = Number(text.replace(/,/g, "").replace("−", "-"));
    return text === "–" || text === "" ? null : Number.isNaN(number) ? text : number;
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  const sort = (table, head, at) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    all(table, "th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = Array.from(body.rows).map((row) => [value(row.cells[at]), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return down ? compare(b, a) : compare(a, b);
    });
    body.append(...rows.map(([, row]) => row));
  };
  for (const table of all(document, "table.sortable")) {
    Array.from(table.tHead.rows[0].cells).forEach((head, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(table, head, at));
    });
  }

  // In plots of policies, colours and names are those of the filter.
  const chosen = all(document, ".filter fieldset[data-kind=p] label").map((label) => label.textContent.trim());
  if (chosen.length <= 8) {
    for (const part of all(document, "figure[data-series] svg *")) {
      const ink = (part.getAttribute("class") ?? "").match(/(?:^| )[lf](\d)(?: |$)/);
      const name = part.localName === "text" ? chosen.findIndex((name) => part.textContent === name || part.textContent.endsWith(` · ${name}`)) : -1;
      if (ink) part.setAttribute("data-policy", ink[1]);
      else if (name >= 0) part.setAttribute("data-policy", name);
    }
  }

  // Rows, columns and lines of what is not chosen go.
  const filter = document.querySelector(".filter");
  const off = { p: new Set(), r: new Set() };
  const names = { p: "data-policy", r: "data-region" };
  const apply = () => {
    for (const kind of ["p", "r"]) {
      for (const part of all(document, `main [data-${kind}], main svg [${names[kind]}]`)) {
        const at = part.getAttribute(`data-${kind}`) ?? part.getAttribute(names[kind]);
        part.classList.toggle(kind === "p" ? "off-p" : "off-r", off[kind].has(at));
      }
    }
    for (const part of all(document, ".off-p, .off-r, .off")) {
      part.classList.toggle("off", part.classList.contains("off-p") || part.classList.contains("off-r"));
    }
    filter.classList.toggle("on", off.p.size + off.r.size > 0);
  };
  filter.hidden = !filter.querySelector("fieldset");
  for (const set of all(filter, "fieldset")) {
    const boxes = all(set, "input");
    const change = () => {
      off[set.dataset.kind] = new Set(boxes.filter((box) => !box.checked).map((box) => box.value));
      apply();
    };
    set.addEventListener("change", change);
    for (const [word, on] of [["all", true], ["none", false]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = word;
      button.addEventListener("click", () => {
        boxes.forEach((box) => { box.checked = on; });
        change();
      });
      set.querySelector("legend").after(button);
    }
    change();
  }
  document.addEventListener("click", (event) => {
    if (!filter.contains(event.target)) filter.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { filter.open = false; hide(); }
  });

  // What a drawing's part or a cell tells, at once and beside the pointer.
  const tip = document.getElementById("tip");
  const hide = () => { tip.hidden = true; };
  for (const title of all(document, "main svg > title")) {
    title.parentNode.setAttribute("aria-label", title.textContent);
    title.remove();
  }
  for (const title of all(document, "main svg title")) {
    title.parentNode.setAttribute("data-tip", title.textContent);
    title.parentNode.setAttribute("aria-label", title.textContent);
    title.remove();
  }
  for (const cell of all(document, "main [title]")) {
    cell.setAttribute("data-tip", cell.title);
    cell.setAttribute("aria-description", cell.title);
    cell.removeAttribute("title");
  }
  const show = (event) => {
    const part = event.target.closest?.("[data-tip]");
    if (!part) return hide();
    tip.textContent = part.getAttribute("data-tip");
    tip.hidden = false;
    const box = part.getBoundingClientRect();
    const [x, y] = event.clientX === undefined ? [box.left, box.bottom] : [event.clientX, event.clientY];
    tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${y + 18 + tip.offsetHeight > innerHeight ? Math.max(4, y - tip.offsetHeight - 10) : y + 18}px`;
  };
  document.addEventListener("mousemove", show);
  document.addEventListener("focusin", show);
  document.addEventListener("scroll", hide, { passive: true });
  addEventListener("beforeprint", () => all(document, "main details").forEach((fold) => { fold.open = true; }));
})();
