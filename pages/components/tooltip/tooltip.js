// What a map says at the pointer of the cell under it. One listener for the page.

const MAX_LINES = 6, CHART = ".stEChartsChart > div";
const decoded = new WeakMap();
let bubble = null, marker = null, watch = 0, reminder = 0, last = null, chart = null;
const changes = new MutationObserver(remember);

export default function () {
  for (const kind of ["pointermove", "pointerdown"]) document.addEventListener(kind, onPointer, { passive: true });
}

function onPointer(event) {
  last = [event.clientX, event.clientY];
  showTooltip(event.target.closest?.("[data-tooltip]"));
  const over = event.target.closest?.(CHART) ?? null;
  if (over === chart) return;
  changes.disconnect();
  chart = over;
  if (chart) changes.observe(chart.parentElement, { childList: true, subtree: true });
}

// The picture may change under a pointer that rests.
function refresh() {
  showTooltip(document.elementFromPoint(...last)?.closest("[data-tooltip]"));
}

// ECharts empties its tooltip with every new option, which Streamlit sets with notMerge, a moment after it is drawn.
function remember() {
  clearTimeout(reminder);
  reminder = setTimeout(() => {
    if (chart?.nextElementSibling?.textContent !== "") return;
    chart.dispatchEvent(new MouseEvent("mousemove", { clientX: last[0], clientY: last[1], bubbles: true }));
  }, 30);
}

function showTooltip(picture) {
  const box = picture?.getBoundingClientRect(), found = picture && cell(readTooltipData(picture), box);
  if (!found) {
    clearInterval(watch);
    watch = 0;
    bubble?.remove();
    marker?.remove();
    return;
  }
  watch ||= setInterval(refresh, 300);
  bubble ??= Object.assign(document.createElement("div"), { className: "tooltip" });
  marker ??= Object.assign(document.createElement("div"), { className: "tooltip-marker" });
  if (bubble.textContent !== found.words) bubble.textContent = found.words;
  if (!bubble.isConnected) document.querySelector(".stApp").append(marker, bubble);
  Object.assign(marker.style, { left: `${found.x}px`, top: `${found.y}px`, width: `${found.wide}px`, height: `${found.wide}px` });
  const { offsetWidth: width, offsetHeight: height } = bubble;
  const left = found.x + 22 + width > innerWidth ? found.x - 22 - width : found.x + 22;
  Object.assign(bubble.style, { left: `${Math.max(4, left)}px`, top: `${Math.max(4, Math.min(found.y - height / 2, innerHeight - height - 4))}px` });
}

function readTooltipData(picture) {
  const text = picture.dataset.tooltip;
  let cached = decoded.get(picture);
  if (cached?.text !== text) decoded.set(picture, (cached = { text, told: decode(JSON.parse(text)) }));
  return cached.told;
}

function decode(tooltipData) {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const counts = new Uint8Array(bytes(tooltipData.counts)), starts = [0];
  counts.forEach((count) => starts.push(starts.at(-1) + count));
  return {
    starts, plain: tooltipData.plain, values: new Float32Array(bytes(tooltipData.values)),
    neurons: new Uint8Array(bytes(tooltipData.neurons)), times: new Uint16Array(bytes(tooltipData.times)),
    spikes: tooltipData.spikes.map((spike) => ({ ...spike, numbers: new Float32Array(bytes(spike.numbers)) })),
  };
}

function cell(tooltipData, box) {
  const side = Math.round(Math.sqrt(tooltipData.values.length)), wide = box.width / side;
  const [column, row] = [(last[0] - box.left) / wide, (last[1] - box.top) / wide].map(Math.floor);
  if (Math.min(row, column) < 0 || Math.max(row, column) >= side) return null;
  const pixel = row * side + column, [first, end] = tooltipData.starts.slice(pixel, pixel + 2);
  const lines = [`row ${row}, column ${column}: ${formatNumber(tooltipData.values[pixel], tooltipData.plain ? 3 : 4, !tooltipData.plain)}`];
  for (let i = first; i < Math.min(end, first + MAX_LINES); i++) {
    const numbers = tooltipData.spikes.map(({ words, signed, numbers }) => words + formatNumber(numbers[i], 3, signed));
    lines.push(`neuron ${tooltipData.neurons[i]} at ${tooltipData.times[i]} ms${numbers.join("")}`);
  }
  if (end - first > MAX_LINES) lines.push(`and ${end - first - MAX_LINES} more`);
  return { x: box.left + (column + 0.5) * wide, y: box.top + (row + 0.5) * wide, words: lines.join("\n"), wide };
}

function formatNumber(number, digits, signed) {
  const text = Math.abs(number).toFixed(digits);
  return (number < 0 ? "−" : signed ? "+" : "") + text;
}
