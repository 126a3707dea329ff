// Sends the index of a clicked pixel, row by row from the top left: a cell of a map below one of the selectors, or a
// button with the attribute data-pixel. Streamlit replaces these elements after every selection, so the listener is on
// the main area, in which the component is as well.

export default function ({ data, parentElement, setTriggerValue }) {
  const { rows, columns, selector } = data;
  const index = (fraction, count) => Math.min(count - 1, Math.max(0, Math.floor(count * fraction)));
  const onClick = (event) => {
    const button = event.target.closest?.("[data-pixel]");
    if (button) {
      setTriggerValue("pixel", Number(button.dataset.pixel));
      return;
    }
    const box = event.target.closest?.(selector)?.getBoundingClientRect();
    if (!box) return;
    const row = index((event.clientY - box.top) / box.height, rows);
    const column = index((event.clientX - box.left) / box.width, columns);
    setTriggerValue("pixel", columns * row + column);
  };
  const main = parentElement.closest(".stMain");
  main.addEventListener("click", onClick);
  return () => main.removeEventListener("click", onClick);
}
