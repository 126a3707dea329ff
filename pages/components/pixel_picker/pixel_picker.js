// Sends the index of a clicked pixel of the digit, row by row from the top left. Streamlit replaces the digit's element
// after every selection, so the listener is on the document.

const SIDE = 28;

export default function ({ setTriggerValue }) {
  const index = (fraction) => Math.min(SIDE - 1, Math.max(0, Math.floor(SIDE * fraction)));
  const onClick = (event) => {
    const box = event.target.closest?.("[data-figure=digit] [data-tooltip]")?.getBoundingClientRect();
    if (!box) return;
    const row = index((event.clientY - box.top) / box.height), column = index((event.clientX - box.left) / box.width);
    setTriggerValue("pixel", SIDE * row + column);
  };
  document.addEventListener("click", onClick);
  return () => document.removeEventListener("click", onClick);
}
