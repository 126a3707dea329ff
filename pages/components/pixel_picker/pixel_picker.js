// Sends the index of a clicked pixel of the digit, row by row from the top left. Streamlit replaces the digit's element
// after every selection, so the listener is on the document.

export default function ({ data, setTriggerValue }) {
  const { rows, columns } = data;
  const index = (fraction, count) => Math.min(count - 1, Math.max(0, Math.floor(count * fraction)));
  const onClick = (event) => {
    const box = event.target.closest?.("[data-figure=digit] [data-tooltip]")?.getBoundingClientRect();
    if (!box) return;
    const row = index((event.clientY - box.top) / box.height, rows);
    const column = index((event.clientX - box.left) / box.width, columns);
    setTriggerValue("pixel", columns * row + column);
  };
  document.addEventListener("click", onClick);
  return () => document.removeEventListener("click", onClick);
}
