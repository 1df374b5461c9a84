// What a keyboard adds to the pages. Everything can be done without it.
"use strict";
(() => {
  const one = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];

  // Single keys can be turned off, for who speaks to the machine or hits keys by chance (WCAG 2.1.4).
  const store = "mailreeve-keys";
  let on = true;
  try { on = localStorage.getItem(store) !== "off"; } catch { /* it is not kept */ }
  const help = one("#keys"), opener = one("#keys-open"), toggle = one("#keys-on");
  if (help) {
    opener.hidden = false;
    opener.addEventListener("click", () => help.showModal());
    toggle.checked = on;
    toggle.addEventListener("change", () => {
      on = toggle.checked;
      try { localStorage.setItem(store, on ? "on" : "off"); } catch { /* it is not kept */ }
    });
  }

  const boxes = all(".pick input"), whole = one("#all"), said = one("#ticked");
  const count = () => {
    const n = boxes.filter((b) => b.checked).length;
    if (whole) {
      whole.checked = n > 0 && n === boxes.length;
      whole.indeterminate = n > 0 && n < boxes.length;
    }
    if (said) said.textContent = n ? `${n} ticked:` : "Tick findings, then:";
  };
  if (whole && boxes.length) {
    one("#all-label").hidden = false;
    whole.addEventListener("change", () => { boxes.forEach((b) => { b.checked = whole.checked; }); count(); });
  }
  let last = -1;
  boxes.forEach((b, i) => b.addEventListener("click", (e) => {
    if (e.shiftKey && last >= 0) {
      for (let k = Math.min(i, last); k <= Math.max(i, last); k++) boxes[k].checked = b.checked;
    }
    last = i;
    count();
  }));
  count();

  const links = all(".row .open");
  const at = () => {
    const row = document.activeElement && document.activeElement.closest(".row");
    return row ? links.findIndex((l) => row.contains(l)) : -1;
  };
  const go = (i) => {
    if (links[i]) links[i].focus();
  };

  // A finding leads to the one before and the one after it, as the list had them that it was opened from.
  const kept = "mailreeve-list";
  const neighbours = { previous: null, next: null };
  try {
    if (one("#bulk")) {
      sessionStorage.setItem(kept, JSON.stringify(links.map((l) => l.getAttribute("href"))));
    } else if (one("#neighbours")) {
      const list = JSON.parse(sessionStorage.getItem(kept) || "[]"), i = list.indexOf(location.pathname);
      if (i >= 0) [neighbours.previous, neighbours.next] = [list[i - 1], list[i + 1]];
    }
  } catch { /* it is not kept */ }
  for (const [name, to] of Object.entries(neighbours)) {
    const link = one("#" + name);
    if (!link || !/^\/findings\/[\w-]+$/.test(to || "")) continue;
    link.href = to;
    link.hidden = one("#neighbours").hidden = false;
  }
  const follow = (name) => { const link = one("#" + name); if (link && link.href) link.click(); };

  const acts = {
    j: () => { go(at() + 1); follow("next"); },
    k: () => { go(at() < 0 ? links.length - 1 : at() - 1); follow("previous"); },
    x: () => { const b = boxes[at()]; if (b) { b.checked = !b.checked; count(); } },
    a: () => {
      const button = one("#acknowledge");
      if (!button) return;
      if (boxes.length && !boxes.some((b) => b.checked)) {
        const b = boxes[at()];
        if (!b) return;
        b.checked = true;
      }
      button.click();
    },
    c: () => { const field = one("#comment"); if (field) field.focus(); },
    "/": () => { const field = one("#search"); if (field) field.focus(); else location.assign("/findings"); },
    "?": () => { if (help) help.showModal(); },
  };
  document.addEventListener("keydown", (e) => {
    const act = Object.hasOwn(acts, e.key) && acts[e.key];
    const typing = e.target.closest && e.target.closest("input:not([type=checkbox]), textarea, select, dialog");
    if (!act || !on || typing || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    act();
  });
})();
