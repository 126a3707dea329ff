// A click on the digit of the page chooses a pixel. The digit is drawn anew at every choice, so the page listens.

const SIDE = 28;

export default function ({ setTriggerValue }) {
  const cell = (share) => Math.min(SIDE - 1, Math.max(0, Math.floor(SIDE * share)));
  const clicked = (event) => {
    const box = event.target.closest?.("[data-plate=digit] [data-told]")?.getBoundingClientRect();
    if (!box) return;
    const row = cell((event.clientY - box.top) / box.height), column = cell((event.clientX - box.left) / box.width);
    setTriggerValue("pixel", SIDE * row + column);
  };
  document.addEventListener("click", clicked);
  return () => document.removeEventListener("click", clicked);
}
