// A digit of the page whose pixels answer to the mouse: each tells its value, and a click chooses it.

const SIDE = 28;

export default function ({ data, setTriggerValue }) {
  const values = Uint8Array.from(atob(data.image), (letter) => letter.charCodeAt(0));
  const main = document.querySelector(".stMain");
  const under = (event) => {
    const frame = event.target.closest?.(`[data-plate="${data.plate}"] [data-digit]`);
    if (!frame) return null;
    const box = frame.getBoundingClientRect();
    const [column, row] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
      .map((share) => Math.min(SIDE - 1, Math.max(0, Math.floor(share * SIDE))));
    return { frame, row, column, pixel: row * SIDE + column };
  };
  const tell = (event) => {
    const at = under(event);
    if (!at) return;
    at.frame.style.cursor = "crosshair";
    at.frame.title = `row ${at.row}, column ${at.column}: value ${(values[at.pixel] / 255).toFixed(3)}`;
  };
  const choose = (event) => {
    const at = under(event);
    if (at) setTriggerValue("pixel", at.pixel);
  };
  main.addEventListener("mousemove", tell);
  main.addEventListener("click", choose);
  return () => {
    main.removeEventListener("mousemove", tell);
    main.removeEventListener("click", choose);
  };
}
