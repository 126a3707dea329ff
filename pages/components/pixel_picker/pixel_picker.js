// Draws the digit and sends the index of a clicked pixel, row by row from the top left.

const SIDE = 28;

export default function ({ data, parentElement, setTriggerValue }) {
  const picture = parentElement.querySelector("[data-figure=digit]");
  if (picture.renderedHtml !== data) {
    picture.renderedHtml = data;
    picture.innerHTML = data;
  }
  const index = (fraction) => Math.min(SIDE - 1, Math.max(0, Math.floor(SIDE * fraction)));
  picture.onclick = (event) => {
    const box = picture.firstElementChild.getBoundingClientRect();
    const row = index((event.clientY - box.top) / box.height), column = index((event.clientX - box.left) / box.width);
    setTriggerValue("pixel", SIDE * row + column);
  };
}
