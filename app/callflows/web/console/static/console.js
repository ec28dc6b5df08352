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
    const lit = [...box.querySelectorAll(".lit[data-node]")].find((one) => one.getClientRects().length);
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

// The focus after an action: at the part of the page that the address names, which tells the result, or at the same control.
const FOCUS_SECONDS = 10;
const listControls = () => [...document.querySelectorAll("main :is(a[href], button, input, select, textarea, summary)")];
const describeControl = (one) => [one.localName, one.name, one.localName === "button" ? one.value : "", one.textContent.trim()].join("|");
function rememberControl(control) {
  if (!control || !control.closest("main")) return;
  const words = describeControl(control), place = listControls().filter((one) => describeControl(one) === words).indexOf(control);
  sessionStorage.setItem("control", JSON.stringify({ at: Date.now(), page: location.pathname, words, place }));
}
function placeFocus() {
  const kept = JSON.parse(sessionStorage.getItem("control") || "null");
  sessionStorage.removeItem("control");
  const part = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (part) {
    if (part.tabIndex < 0) part.tabIndex = -1;
    part.focus({ preventScroll: true });
  } else if (kept && kept.page === location.pathname && Date.now() - kept.at < FOCUS_SECONDS * 1000) {
    const alike = listControls().filter((one) => describeControl(one) === kept.words);
    if (alike.length) alike[Math.min(kept.place, alike.length - 1)].focus();
  }
}
// A double click sends a form once.
const SUBMIT_PAUSE = 2000;
document.addEventListener("submit", (event) => {
  const sent = Number(event.target.dataset.sent || 0);
  if (event.target.method === "post" && Date.now() - sent < SUBMIT_PAUSE) event.preventDefault();
  else event.target.dataset.sent = Date.now();
});
window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
document.addEventListener("submit", (event) => {
  const active = document.activeElement;
  rememberControl(event.target.contains(active) && active.localName === "input" ? active : event.submitter);
});
document.addEventListener("click", (event) => rememberControl(event.target.closest("main a[href]")));

// The result of a trial that the page has waited for: told to screen readers, and the focus is not lost with the old part.
document.addEventListener("htmx:beforeSwap", (event) => {
  event.target.dataset.hadFocus = event.target.contains(document.activeElement) ? "yes" : "";
});
document.addEventListener("htmx:afterSwap", (event) => {
  const part = document.getElementById("impact"), words = part && part.querySelector("[tabindex='-1']");
  if (!words) return;
  document.getElementById("announcement").textContent = words.textContent;
  if (event.target.dataset.hadFocus) words.focus();
});

document.addEventListener("DOMContentLoaded", () => {
  prepare(document);
  placeFocus();
  const nav = document.querySelector(".top nav"), here = nav && nav.querySelector("[aria-current]");
  if (here) nav.scrollLeft = here.offsetLeft + here.offsetWidth - nav.clientWidth / 2 - nav.offsetLeft;
});

// Seconds of calls that are going on, and one polite sentence when a call comes, at most every five seconds.
function tick() {
  for (const part of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(part.dataset.since)) / 1000));
    part.textContent = `for ${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
}
let knownCalls = null, announcedAt = 0;
function announceCalls() {
  const shown = [...document.querySelectorAll("#going [data-call]")], announcement = document.getElementById("announcement");
  const fresh = knownCalls && shown.find((row) => !knownCalls.has(row.dataset.call));
  knownCalls = new Set(shown.map((row) => row.dataset.call));
  if (fresh && announcement && Date.now() - announcedAt > 5000) {
    announcement.textContent = fresh.dataset.words;
    announcedAt = Date.now();
  }
  tick();
}
if (document.querySelector("#going")) {
  announceCalls();
  setInterval(tick, 1000);
  document.body.addEventListener("htmx:sseMessage", announceCalls);
}

// The phone: the keyboard presses its keys.
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = [...document.querySelectorAll(".keypad [data-key]")].find((one) => one.dataset.key === event.key);
  if (key) key.click();
});

// A draft: what is typed is kept after a moment, and on the way to another page.
const draft = document.querySelector("form[data-keeps]");
if (draft) {
  const state = document.getElementById("draft-state");
  const tell = (words) => { if (state.textContent !== words) state.textContent = words; };  // once for screen readers
  let timer = 0, isChanged = false, changes = 0;
  const listFields = () => {
    const fields = new URLSearchParams(new FormData(draft));
    fields.append("do", "keep");
    return fields;
  };
  const keep = async () => {
    const kept = changes;
    try {
      const reply = await fetch(draft.action, { method: "POST", body: listFields() });
      if (reply.status === 401) {
        tell("Not saved: your session has ended. Sign in in another tab, and type on here.");
        return;
      }
      if (!reply.ok) throw new Error(reply.statusText);
      const words = (await reply.json()).words;
      if (kept !== changes) return;
      isChanged = false;
      tell(words);
    } catch {
      if (kept === changes) tell("Changed, and not saved: press Check.");
    }
  };
  draft.addEventListener("input", () => {
    isChanged = true;
    changes += 1;
    tell("Changed. It is saved in a moment.");
    clearTimeout(timer);
    timer = setTimeout(keep, 1500);
  });
  draft.addEventListener("submit", () => {
    isChanged = false;
    changes += 1;
    clearTimeout(timer);
  });
  window.addEventListener("pagehide", () => {
    if (isChanged) navigator.sendBeacon(draft.action, listFields());
  });
}

// A recording that cannot be played: the answer of the server says why.
document.addEventListener("error", (event) => {
  if (event.target.tagName !== "AUDIO") return;
  const player = event.target, problem = player.parentElement.querySelector(".sound-problem");
  const tell = (why) => { problem.textContent = why; problem.hidden = false; player.hidden = true; };
  fetch(player.src).then((reply) => reply.ok ? "This browser cannot play the recording." : reply.text().then((page) => {
    const words = new DOMParser().parseFromString(page, "text/html").querySelector("main h1 + p");
    return words ? words.textContent : "The recording cannot be played.";
  })).then(tell, () => tell("The recording cannot be played: the server does not answer."));
}, true);
