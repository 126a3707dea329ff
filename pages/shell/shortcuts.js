// Keys that work wherever the focus is, except in a text field: space, arrows and digits move the time cursor, N and B
// select the next and the previous sample, P switches presentation mode and T the theme, ? lists all keys. A control
// reached by the keyboard keeps its own keys.

const TEXT = "textarea, select, [contenteditable=true], [role=combobox], [role=spinbutton], "
  + "input:not([type=range], [type=button], [type=checkbox], [type=radio])";
const OWN_ARROWS = "[role=slider], [role=radio], [role=tab], [role=menu], [role=menuitem], [role=option], [role=grid], "
  + "input[type=range], input[type=radio]";
const OWN_SPACE = "button, a, summary, [role=button], [role=checkbox], [role=radio], [role=switch], [role=tab], "
  + "[role=option], input[type=checkbox], input[type=radio]";

export default function ({ data, setTriggerValue, parentElement }) {
  // In the sidebar the list would be hidden in presentation mode.
  const app = document.querySelector(".stApp");
  const dialog = parentElement.querySelector("dialog.shortcuts") ?? app.querySelector(":scope > dialog.shortcuts");
  app.querySelectorAll(":scope > dialog.shortcuts").forEach((former) => { if (former !== dialog) former.remove(); });
  app.append(dialog);
  const rows = data.keys.map(([keys, meaning]) => {
    const row = document.createElement("tr");
    for (const [kind, text] of [["th", keys], ["td", meaning]]) {
      row.append(Object.assign(document.createElement(kind), { textContent: text }));
    }
    row.firstChild.scope = "row";
    return row;
  });
  dialog.querySelector("tbody").replaceChildren(...rows);
  dialog.querySelector("button").onclick = () => dialog.close();

  const onKey = (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const target = event.target;
    if (target.closest?.(TEXT)) return;
    if (event.key === "?") {
      if (dialog.open) dialog.close();
      else dialog.showModal();
    } else if (dialog.open || document.querySelector("[role=dialog]")) {
      return;
    } else if (event.key === "t" || event.key === "T") {
      switchTheme();
    } else if (event.key === "p" || event.key === "P") {
      setTriggerValue("present", 1);
    } else if (event.key === "n" || event.key === "N") {
      setTriggerValue("step", 1);
    } else if (event.key === "b" || event.key === "B") {
      setTriggerValue("step", -1);
    } else if (!moveCursor(event, target)) {
      return;
    }
    event.preventDefault();
  };
  const onClick = (event) => { if (event.target.closest?.(".st-key-present_theme button")) switchTheme(); };
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", onClick);
  return () => {
    document.removeEventListener("keydown", onKey);
    document.removeEventListener("click", onClick);
  };
}

function switchTheme() {
  window.dispatchEvent(new Event("switch-colour-scheme")); // see colour_scheme.js
}

// Returns whether the key has moved the time cursor of the page.
function moveCursor(event, target) {
  const find = (name) => document.querySelector(`.cursor [data-part=${name}]`);
  const slider = find("slider");
  if (!slider || target === slider) return false;
  const { key } = event;
  if (key === " ") {
    if (target.closest?.(OWN_SPACE)?.matches(":focus-visible, :has(:focus-visible)")) return false;
    find("play").click();
  } else if (key === "ArrowLeft" || key === "ArrowRight") {
    if (target.closest?.(OWN_ARROWS)) return false;
    const by = (key === "ArrowRight" ? 1 : -1) * Number(slider.step), last = Number(slider.max);
    const isOff = find("off").disabled;
    slider.value = isOff ? (by > 0 ? 0 : last) : Math.min(last, Math.max(0, Number(slider.value) + by));
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  } else if (key >= "0" && key <= "9" && key.length === 1) {
    const button = find("jumps").children[Number(key)];
    if (!button) return false;
    button.click();
  } else {
    return false;
  }
  return true;
}
