"use strict";
// What the pages do beyond links and forms. Each works, less comfortably, without this file.

function pickNode(name) {
  for (const part of document.querySelectorAll("[data-node]")) {
    part.classList.toggle("picked", part.getAttribute("data-node") === name);
  }
  const heard = document.querySelector(".heard .picked");
  if (heard) heard.scrollIntoView({ block: "nearest" });
}

function prepare(root) {
  for (const box of root.querySelectorAll("[data-scroll-to-lit]")) {
    const lit = box.querySelector(".lit[data-node]");
    if (lit && box.scrollWidth > box.clientWidth) {
      const place = lit.getBoundingClientRect(), frame = box.getBoundingClientRect();
      box.scrollLeft += place.left + place.width / 2 - frame.left - frame.width / 2;
    }
  }
}

document.addEventListener("click", (event) => {
  const picked = event.target.closest(".flow-picture a, [data-pick]");
  if (picked) {
    const name = picked.dataset.pick || picked.querySelector("[data-node]").getAttribute("data-node");
    const outline = document.querySelector("details.outline");
    if (outline) outline.open = true;
    pickNode(name);
  }
});

document.addEventListener("DOMContentLoaded", () => prepare(document));
