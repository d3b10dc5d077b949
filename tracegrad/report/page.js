"use strict";
// What is marked: the user's lines, by keys. Pointing at a row marks all rows with a key of its own; a click keeps the mark.
const all = [...document.querySelectorAll("[data-k]")];
const byKey = new Map();
for (const element of all)
  for (const key of element.dataset.k.split(" ")) byKey.set(key, [...(byKey.get(key) || []), element]);
const lines = [...document.querySelectorAll("tr[data-k]")];
const panels = [...document.querySelectorAll(".panel")];
const tabs = [...document.querySelectorAll("[role=tab]")];
let pinned = null;

function mark(name, keys) {
  for (const element of document.querySelectorAll("." + name)) element.classList.remove(name);
  for (const key of keys) for (const element of byKey.get(key) || []) element.classList.add(name);
}
const keysOf = (element) => element.dataset.k.split(" ");

function scrollTo(element) {
  const box = element.closest(".scroll");
  if (!box) return;
  const at = element.getBoundingClientRect(), view = box.getBoundingClientRect();
  if (at.top < view.top + 24 || at.bottom > view.bottom) box.scrollTop += at.top - view.top - box.clientHeight / 3;
}

function pin(keys, from) {
  pinned = keys;
  mark("pinned", keys || []);
  if (!keys) return;
  for (const place of [document.querySelector("#source"), panels.find((panel) => !panel.hidden)]) {
    if (from && place.contains(from)) continue;
    const found = [...place.querySelectorAll("[data-k]")].find((row) => keysOf(row).some((key) => keys.includes(key)));
    if (found) scrollTo(found);
  }
}

function show(name) {
  for (const panel of panels) panel.hidden = panel.id !== name;
  for (const tab of tabs) {
    tab.setAttribute("aria-selected", String(tab.getAttribute("aria-controls") === name));
    tab.tabIndex = tab.getAttribute("aria-controls") === name ? 0 : -1;
  }
  if (pinned) pin(pinned);
}

function select(line) {
  line.focus();
  scrollTo(line);
  pin(keysOf(line), line);
}

document.addEventListener("pointerover", (event) => {
  const row = event.target.closest("[data-k]");
  mark("lit", row ? keysOf(row) : []);
});
document.addEventListener("click", (event) => {
  const row = event.target.closest("[data-k]");
  if (row) pin(pinned && pinned.join() === keysOf(row).join() ? null : keysOf(row), row);
});
for (const tab of tabs) tab.addEventListener("click", () => show(tab.getAttribute("aria-controls")));

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const tab = tabs.indexOf(document.activeElement), step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (tab >= 0 && step) {
    const next = tabs[(tab + step + tabs.length) % tabs.length];
    next.focus();
    show(next.getAttribute("aria-controls"));
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const at = lines.indexOf(document.activeElement), down = event.key === "ArrowDown";
    const next = lines[at < 0 ? (down ? 0 : lines.length - 1) : Math.min(Math.max(at + (down ? 1 : -1), 0), lines.length - 1)];
    if (next) select(next);
  } else if (event.key === "Enter" && document.activeElement.dataset.k) {
    pin(keysOf(document.activeElement), document.activeElement);
  } else if (event.key === "Escape") {
    pin(null);
  } else if (/^[1-9]$/.test(event.key) && tabs[event.key - 1]) {
    show(tabs[event.key - 1].getAttribute("aria-controls"));
  } else return;
  event.preventDefault();
});

document.querySelector("#theme").addEventListener("click", () => {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = (root.dataset.theme || (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
});
show((panels.find((panel) => location.hash === "#show-" + panel.id) || panels[0]).id);
