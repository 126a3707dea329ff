// A click on the digit of the page chooses a pixel. The digit is drawn anew at every choice, so the page listens.

const SIDE = 28;

export default function ({ setTriggerValue }) {
  const cell = (share) => Math.min(SIDE - 1, Math.max(0, Math.floor(SIDE * share)));
  const onClick = (event) => {
    const box = event.target.closest?.("[data-figure=digit] [data-tooltip]")?.getBoundingClientRect();
    if (!box) return;
    const row = cell((event.clientY - box.top) / box.height), column = cell((event.clientX - box.left) / box.width);
    setTriggerValue("pixel", SIDE * row + column);
  };
  document.addEventListener("click", onClick);
  return () => document.removeEventListener("click", onClick);
}
