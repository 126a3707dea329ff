// Shows the values of the cell under the pointer for every HTML figure with data-tooltip. One listener for the page.

const MAX_LINES = 6, CHART = ".stEChartsChart > div";
const decoded = new WeakMap();
let tooltip = null, marker = null, refreshTimer = 0, restoreTimer = 0, last = null, chart = null;
const changes = new MutationObserver(restoreChartTooltip);

export default function () {
  for (const kind of ["pointermove", "pointerdown"]) document.addEventListener(kind, onPointer, { passive: true });
}

function onPointer(event) {
  last = [event.clientX, event.clientY];
  showTooltip(event.target.closest?.("[data-tooltip]"));
  const hovered = event.target.closest?.(CHART) ?? null;
  if (hovered === chart) return;
  changes.disconnect();
  chart = hovered;
  if (chart) changes.observe(chart.parentElement, { childList: true, subtree: true });
}

// The figure may change while the pointer does not move.
function refresh() {
  showTooltip(document.elementFromPoint(...last)?.closest("[data-tooltip]"));
}

// Streamlit sets every new ECharts option with notMerge, which empties an open tooltip shortly after the update.
// A synthetic mouse event restores it.
function restoreChartTooltip() {
  clearTimeout(restoreTimer);
  restoreTimer = setTimeout(() => {
    if (chart?.nextElementSibling?.textContent !== "") return;
    chart.dispatchEvent(new MouseEvent("mousemove", { clientX: last[0], clientY: last[1], bubbles: true }));
  }, 30);
}

function showTooltip(figure) {
  const box = figure?.getBoundingClientRect(), found = figure && cellAtPointer(readTooltipData(figure), box);
  if (!found) {
    clearInterval(refreshTimer);
    refreshTimer = 0;
    tooltip?.remove();
    marker?.remove();
    return;
  }
  refreshTimer ||= setInterval(refresh, 300);
  tooltip ??= Object.assign(document.createElement("div"), { className: "tooltip" });
  marker ??= Object.assign(document.createElement("div"), { className: "tooltip-marker" });
  if (tooltip.textContent !== found.text) tooltip.textContent = found.text;
  if (!tooltip.isConnected) document.querySelector(".stApp").append(marker, tooltip);
  Object.assign(marker.style, { left: `${found.x}px`, top: `${found.y}px`, width: `${found.size}px`, height: `${found.size}px` });
  const { offsetWidth: width, offsetHeight: height } = tooltip;
  const left = found.x + 22 + width > innerWidth ? found.x - 22 - width : found.x + 22;
  Object.assign(tooltip.style, { left: `${Math.max(4, left)}px`, top: `${Math.max(4, Math.min(found.y - height / 2, innerHeight - height - 4))}px` });
}

function readTooltipData(figure) {
  const text = figure.dataset.tooltip;
  let cached = decoded.get(figure);
  if (cached?.text !== text) decoded.set(figure, (cached = { text, data: decode(JSON.parse(text)) }));
  return cached.data;
}

function decode(tooltipData) {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  if (tooltipData.raster) return { ...tooltipData, raster: tooltipData.raster.map((part) => new Uint16Array(bytes(part))) };
  const counts = new Uint16Array(bytes(tooltipData.counts)), starts = [0];
  counts.forEach((count) => starts.push(starts.at(-1) + count));
  return {
    starts, plain: tooltipData.plain, columns: tooltipData.columns, values: new Float32Array(bytes(tooltipData.values)),
    neurons: new Uint16Array(bytes(tooltipData.neurons)), times: new Float32Array(bytes(tooltipData.times)),
    spikes: tooltipData.spikes.map((spike) => ({ ...spike, numbers: new Float32Array(bytes(spike.numbers)) })),
  };
}

function cellAtPointer(tooltipData, box) {
  if (tooltipData.raster) return rasterCellAtPointer(tooltipData, box);
  // Without a number of columns the map is square.
  const columns = tooltipData.columns ?? Math.round(Math.sqrt(tooltipData.values.length)), size = box.width / columns;
  const [column, row] = [(last[0] - box.left) / size, (last[1] - box.top) / size].map(Math.floor);
  if (Math.min(row, column) < 0 || column >= columns || row >= tooltipData.values.length / columns) return null;
  const pixel = row * columns + column, [first, end] = tooltipData.starts.slice(pixel, pixel + 2);
  const lines = [`row ${row + 1}, column ${column + 1}: ${formatNumber(tooltipData.values[pixel], tooltipData.plain ? 3 : 4, !tooltipData.plain)}`];
  for (let i = first; i < Math.min(end, first + MAX_LINES); i++) {
    const numbers = tooltipData.spikes.map(({ words, signed, numbers }) => words + formatNumber(numbers[i], 3, signed));
    lines.push(`neuron ${tooltipData.neurons[i]} at ${Number(tooltipData.times[i].toFixed(2))} ms${numbers.join("")}`);
  }
  if (end - first > MAX_LINES) lines.push(`and ${end - first - MAX_LINES} more`);
  return { x: box.left + (column + 0.5) * size, y: box.top + (row + 0.5) * size, text: lines.join("\n"), size };
}

// A cell of a raster: the spikes of some neighbouring pixels in some milliseconds.
function rasterCellAtPointer({ raster: [foreground, background], columns, rows, step, perLine, pixels, width, feature, start }, box) {
  const [across, down] = [box.width / columns, box.height / rows];
  const [column, line] = [(last[0] - box.left) / across, (last[1] - box.top) / down].map(Math.floor);
  const cell = line * columns + column;
  if (Math.min(column, line) < 0 || column >= columns || cell >= foreground.length) return null;
  const ends = [line * perLine, Math.min(pixels, (line + 1) * perLine) - 1].map((pixel) => (width ? Math.floor(pixel / width) : pixel) + start);
  const place = `${feature}${ends[0] === ends[1] ? ` ${ends[0]}` : `s ${ends[0]} to ${ends[1]}`}`;
  const time = step === 1 ? `${column} ms` : `${column * step} to ${(column + 1) * step - 1} ms`;
  const total = foreground[cell] + background[cell], spikes = total === 1 ? "1 spike" : `${total} spikes`;
  const text = `${time}, ${place}: ${spikes}${background[cell] ? `, ${background[cell]} of ${width ? "black pixels" : "the lowest values"}` : ""}`;
  const size = Math.max(6, Math.min(across, down));
  return { x: box.left + (column + 0.5) * across, y: box.top + (line + 0.5) * down, text, size };
}

function formatNumber(number, digits, signed) {
  const text = Math.abs(number).toFixed(digits);
  return (number < 0 ? "−" : signed ? "+" : "") + text;
}
