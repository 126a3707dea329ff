// What a map says at the pointer of the cell under it. One listener for the page.

const MOST_LINES = 6, CHART = ".stEChartsChart > div";
const decoded = new WeakMap();
let bubble = null, marker = null, watch = 0, reminder = 0, last = null, chart = null;
const changes = new MutationObserver(remember);

export default function () {
  for (const kind of ["pointermove", "pointerdown"]) document.addEventListener(kind, look, { passive: true });
}

function look(event) {
  last = [event.clientX, event.clientY];
  say(event.target.closest?.("[data-told]"));
  const over = event.target.closest?.(CHART) ?? null;
  if (over === chart) return;
  changes.disconnect();
  chart = over;
  if (chart) changes.observe(chart.parentElement, { childList: true, subtree: true });
}

// The picture may change under a pointer that rests.
function again() {
  say(document.elementFromPoint(...last)?.closest("[data-told]"));
}

// ECharts empties its tooltip with every new option, which Streamlit sets with notMerge, a moment after it is drawn.
function remember() {
  clearTimeout(reminder);
  reminder = setTimeout(() => {
    if (chart?.nextElementSibling?.textContent !== "") return;
    chart.dispatchEvent(new MouseEvent("mousemove", { clientX: last[0], clientY: last[1], bubbles: true }));
  }, 30);
}

function say(picture) {
  const box = picture?.getBoundingClientRect(), found = picture && cell(content(picture), box);
  if (!found) {
    clearInterval(watch);
    watch = 0;
    bubble?.remove();
    marker?.remove();
    return;
  }
  watch ||= setInterval(again, 300);
  bubble ??= Object.assign(document.createElement("div"), { className: "told" });
  marker ??= Object.assign(document.createElement("div"), { className: "told-at" });
  if (bubble.textContent !== found.words) bubble.textContent = found.words;
  if (!bubble.isConnected) document.querySelector(".stApp").append(marker, bubble);
  Object.assign(marker.style, { left: `${found.x}px`, top: `${found.y}px`, width: `${found.wide}px`, height: `${found.wide}px` });
  const { offsetWidth: width, offsetHeight: height } = bubble;
  const left = found.x + 22 + width > innerWidth ? found.x - 22 - width : found.x + 22;
  Object.assign(bubble.style, { left: `${Math.max(4, left)}px`, top: `${Math.max(4, Math.min(found.y - height / 2, innerHeight - height - 4))}px` });
}

function content(picture) {
  const text = picture.dataset.told;
  let kept = decoded.get(picture);
  if (kept?.text !== text) decoded.set(picture, (kept = { text, told: unpacked(JSON.parse(text)) }));
  return kept.told;
}

function unpacked(told) {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const counts = new Uint8Array(bytes(told.counts)), starts = [0];
  counts.forEach((count) => starts.push(starts.at(-1) + count));
  return {
    starts, plain: told.plain, values: new Float32Array(bytes(told.values)),
    neurons: new Uint8Array(bytes(told.neurons)), times: new Uint16Array(bytes(told.times)),
    spikes: told.spikes.map((spike) => ({ ...spike, numbers: new Float32Array(bytes(spike.numbers)) })),
  };
}

function cell(told, box) {
  const side = Math.round(Math.sqrt(told.values.length)), wide = box.width / side;
  const [column, row] = [(last[0] - box.left) / wide, (last[1] - box.top) / wide].map(Math.floor);
  if (Math.min(row, column) < 0 || Math.max(row, column) >= side) return null;
  const pixel = row * side + column, [first, end] = told.starts.slice(pixel, pixel + 2);
  const lines = [`row ${row}, column ${column}: ${written(told.values[pixel], told.plain ? 3 : 4, !told.plain)}`];
  for (let i = first; i < Math.min(end, first + MOST_LINES); i++) {
    const numbers = told.spikes.map(({ words, signed, numbers }) => words + written(numbers[i], 3, signed));
    lines.push(`neuron ${told.neurons[i]} at ${told.times[i]} ms${numbers.join("")}`);
  }
  if (end - first > MOST_LINES) lines.push(`and ${end - first - MOST_LINES} more`);
  return { x: box.left + (column + 0.5) * wide, y: box.top + (row + 0.5) * wide, words: lines.join("\n"), wide };
}

function written(number, digits, signed) {
  const text = Math.abs(number).toFixed(digits);
  return (number < 0 ? "−" : signed ? "+" : "") + text;
}
