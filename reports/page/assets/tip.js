// What a number rests on, shown while the pointer is on its row or the keyboard on the row's button.

const tip = byId("tip");
const tips = new WeakMap();

/** Gives a row lines of text that are made when they are asked for. */
function explain(row, lines) {
  tips.set(row, lines);
}

function showTip(row, target, left) {
  tip.replaceChildren(...tips.get(row)().filter(Boolean).map((line) => element("div", {}, line)));
  tip.hidden = false;
  const box = row.getBoundingClientRect();
  const size = tip.getBoundingClientRect();
  const below = box.bottom + 4 + size.height < innerHeight;
  tip.style.top = `${below ? box.bottom + 4 : Math.max(4, box.top - 4 - size.height)}px`;
  tip.style.left = `${Math.max(8, Math.min(left, innerWidth - size.width - 8))}px`;
  if (target.matches("button")) target.setAttribute("aria-describedby", "tip");
}

function hideTip() {
  tip.hidden = true;
  document.querySelector("[aria-describedby=tip]")?.removeAttribute("aria-describedby");
}

function rowOf(target) {
  const row = target instanceof Element ? target.closest("tr") : null;
  return row && tips.has(row) ? row : null;
}

document.addEventListener("pointerover", (event) => {
  if (event.pointerType !== "mouse") return;
  const row = rowOf(event.target);
  if (row) showTip(row, row, event.clientX + 16);
  else hideTip();
});
document.addEventListener("focusin", (event) => {
  const row = rowOf(event.target);
  if (row && event.target.matches(":focus-visible")) showTip(row, event.target, event.target.getBoundingClientRect().left);
});
document.addEventListener("focusout", hideTip);
document.addEventListener("scroll", hideTip, { passive: true, capture: true });
document.addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
