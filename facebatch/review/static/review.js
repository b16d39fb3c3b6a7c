// Keys, and names to choose from. Every page works without: what is done here, a form does too.
"use strict";

const field = document.querySelector("input[data-names]");
const list = document.getElementById("names");
const help = document.getElementById("help");

for (const button of document.querySelectorAll("[data-help]")) {
  button.hidden = false;
  button.addEventListener("click", () => help.showModal());
}

// A key presses the button that shows it. While a field has text, keys are letters of it.
function pressed(key) {
  const button = [...document.querySelectorAll("[data-key]")].find(
    (each) => each.dataset.key === key && !each.closest("[hidden]"));
  if (button) button.click();
  return Boolean(button);
}

function isTyping(event) {
  return event.target.matches("input:not([type=checkbox]), textarea, select");
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.ctrlKey || event.metaKey || (help && help.open)) return;
  // Alt may turn a letter into another sign; the key itself says which it is.
  const key = event.altKey && /^Key[A-Z]$/.test(event.code)
    ? event.code[3].toLowerCase() : event.key === " " ? " " : event.key.toLowerCase();
  if (isTyping(event)) {
    if (event.key === "Escape") {
      hideNames();
      event.target.blur();
      return;
    }
    const isEmptyField = event.target === field && field.value === "";
    const isOffered = event.altKey ? /^[a-z]$/.test(key) : isEmptyField && /^[1-5?]$/.test(key);
    if (isOffered && pressed(key)) event.preventDefault();
    return;
  }
  if (key === "/" && field) {
    field.focus();
    event.preventDefault();
    return;
  }
  // The space bar presses a button that has the focus, and turns a box.
  if (key === " " && event.target.matches("button, input, summary, a")) return;
  if (pressed(key)) event.preventDefault();
});

// A form is sent once, however often a key is hit.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// Names that begin so are offered; only choosing one takes it. Enter takes what was typed.
let asked = 0;

function hideNames() {
  if (list) list.hidden = true;
}

async function offer() {
  const typed = field.value.trim();
  const mine = ++asked;
  if (!typed) return hideNames();
  const answer = await fetch("/names?q=" + encodeURIComponent(typed));
  if (!answer.ok || mine !== asked) return;
  const found = await answer.json();
  if (mine !== asked) return;
  list.replaceChildren(...found.map(choice));
  list.hidden = !found.length;
}

function choice(person) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const name = document.createElement("bdi");
  button.type = "button";
  if (person.cover) {
    const image = document.createElement("img");
    image.src = "/chip/" + person.cover;
    image.alt = "";
    button.append(image);
  }
  name.textContent = person.name;
  button.append(name);
  button.addEventListener("click", () => {
    field.value = person.name;
    hideNames();
    field.focus();
  });
  item.append(button);
  return item;
}

if (field && list) {
  let waiting;
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(offer, 120);
  });
  const moves = (event, from) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || list.hidden) return;
    const stops = [field, ...list.querySelectorAll("button")];
    const next = stops[stops.indexOf(from) + step];
    if (next) next.focus();
    event.preventDefault();
  };
  field.addEventListener("keydown", (event) => moves(event, field));
  list.addEventListener("keydown", (event) => moves(event, event.target));
}
