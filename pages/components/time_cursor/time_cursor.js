// Time cursor over the figures of a page: digit, spike raster, membrane potentials and peaks. It runs in the browser
// alone: it draws overlays for the time t over figures that the server has sent before.

const memory = { t: null, dispose: null, requestedId: null, root: null, reported: null };

export default function ({ data, parentElement, setStateValue }) {
  // Everything that it draws over lies in the main area, in which the component is as well.
  const main = parentElement.closest(".stMain"), scene = { ...decode(data), main };
  if (memory.t === null && data.t !== null) memory.t = data.t;
  if (data.requested.length && data.requested[0] !== memory.requestedId) [memory.requestedId, memory.t] = data.requested;
  if (memory.t !== null) memory.t = scene.settle(memory.t);
  const root = parentElement.querySelector(".cursor");
  // Only one instance may be active: two would overwrite each other's changes endlessly.
  memory.dispose?.();
  const find = (name) => root.querySelector(`[data-part=${name}]`);
  const [play, slider, off, statusText, peakButtons, crossings, crossingButtons] =
    ["play", "slider", "off", "words", "jumps", "crossings", "crossing-jumps"].map(find);
  let frame = 0, lastFrame = 0, playing = false, reportTimer = 0;

  slider.max = scene.last;
  slider.step = scene.exact ? 0.1 : 1;
  const jump = (i, t, title, label) => {
    const button = document.createElement("button");
    button.textContent = data.classes[i];
    button.title = `${title} at ${scene.format(t)}`;
    button.setAttribute("aria-label", `go to the ${label} of ${data.classes[i]}, ${scene.format(t)}`);
    button.style.color = data.text_colours[i];
    button.onclick = () => { stop(); move(t); };
    return button;
  };
  peakButtons.replaceChildren(...data.t_max.map((t, i) => jump(i, t, data.k > 1 ? "strongest neuron peaks" : "peaks", "peak")));
  const crossing = data.k > 1 ? "first neuron crosses the threshold" : "crosses the threshold";
  const crossed = data.t_spike.map((t, i) => [i, t]).filter(([, t]) => t >= 0);
  crossingButtons.replaceChildren(...crossed.map(([i, t]) => jump(i, t, crossing, "threshold crossing")));
  crossings.hidden = !crossed.length;

  const observer = new MutationObserver((records) => {
    if (!root.isConnected) observer.disconnect();
    else if (records.some((record) => !root.contains(record.target) && !isOwnMutation(record))) show();
  });
  function show() {
    observer.disconnect();
    followZoom();
    draw(scene, data, memory.t);
    const t = memory.t === null ? scene.last : scene.settle(memory.t);
    slider.value = t;
    slider.setAttribute("aria-valuetext", scene.format(t));
    off.disabled = memory.t === null;
    root.classList.toggle("on", memory.t !== null);
    setText(play, playing ? "❚❚" : "▶");
    play.setAttribute("aria-label", playing ? "pause" : "play");
    setText(statusText, memory.t === null ? data.invitation : describe(scene, data, t));
    observer.observe(main, { childList: true, subtree: true });
  }
  function store(t) {
    storeInUrl(scene, t);
    report();
  }
  // A page whose figures are drawn for the time of the cursor learns of it at rest and a few times a second.
  function report() {
    if (!data.reports || reportTimer) return;
    const send = () => {
      reportTimer = 0;
      const t = memory.t === null ? null : scene.settle(memory.t);
      if (t !== memory.reported) setStateValue("time", (memory.reported = t));
    };
    reportTimer = setTimeout(send, 150);
  }
  function move(t) {
    memory.t = t;
    show();
    if (!playing) store(t);
    else report();
  }
  function stop() {
    playing = false;
    cancelAnimationFrame(frame);
    if (memory.t !== null) memory.t = scene.settle(memory.t);
  }
  function advance(now) {
    if (!playing) return;
    // The timestamp of a frame is that of its start, which may lie before the click that requested it.
    memory.t = Math.min(scene.last, memory.t + (Math.max(0, now - lastFrame) / 1000) * scene.pace);
    lastFrame = now;
    if (memory.t >= scene.last) stop();
    else frame = requestAnimationFrame(advance);
    show();
    if (!playing) store(memory.t);
    else report();
  }
  play.onclick = () => {
    if (playing) {
      stop();
      move(memory.t);
      return;
    }
    if (memory.t === null || memory.t >= scene.last) memory.t = 0;
    playing = true;
    lastFrame = performance.now();
    frame = requestAnimationFrame(advance);
    show();
  };
  slider.oninput = () => { stop(); move(Number(slider.value)); };
  off.onclick = () => { stop(); memory.t = null; show(); store(null); };
  root.onkeydown = (event) => {
    if (event.key === " " && event.target === slider) { event.preventDefault(); play.onclick(); }
    if (event.key === "Escape" && memory.t !== null) { event.stopPropagation(); off.onclick(); }
    const number = event.key >= "0" && event.key <= "9" ? Number(event.key) : -1;
    if (number >= 0 && number < data.classes.length) peakButtons.children[number].click();
  };
  const drag = (event) => {
    const plot = event.target.closest?.(".cursor-handle")?.parentElement;
    if (!plot) return;
    event.preventDefault();
    event.stopPropagation();
    stop();
    const box = plot.getBoundingClientRect(), [from, to] = timeRange(plot, scene);
    const onMove = (moved) => {
      const fraction = (moved.clientX - box.left - scene.left) / (box.width - scene.left - scene.right);
      const t = from + Math.min(1, Math.max(0, fraction)) * (to - from);
      memory.t = scene.settle(scene.exact ? t : Math.round(t));
      show();
    };
    const release = () => {
      window.removeEventListener("pointermove", onMove);
      window.removeEventListener("pointerup", release);
      store(memory.t);
    };
    window.addEventListener("pointermove", onMove);
    window.addEventListener("pointerup", release);
  };
  main.addEventListener("pointerdown", drag);
  // A zoom changes only attributes and, during the wheel, a transformation, which the MutationObserver does not report.
  const follow = scheduleOnce(show);
  const followed = new Set();
  const followZoom = () => {
    const plot = findPlot(scene, data);
    if (!plot?.on || followed.has(plot)) return;
    followed.add(plot);
    for (const event of ["plotly_relayout", "plotly_relayouting", "plotly_afterplot"]) plot.on(event, follow);
  };
  const dispose = () => {
    playing = false;
    cancelAnimationFrame(frame);
    clearTimeout(reportTimer);
    observer.disconnect();
    main.removeEventListener("pointerdown", drag);
    for (const plot of followed) {
      for (const event of ["plotly_relayout", "plotly_relayouting", "plotly_afterplot"]) plot.removeListener?.(event, follow);
    }
    if (memory.dispose === dispose) {
      memory.dispose = null;
      scene.main.querySelectorAll(".cursor-overlay").forEach((piece) => piece.remove());
    }
  };
  memory.dispose = dispose;
  show();
  if (data.reports && memory.root !== root) { // new on this page: the server may know the time of a former visit
    [memory.root, memory.reported] = [root, undefined];
    report();
  }
  return dispose;
}

// Writes only changed text, because every write triggers the MutationObserver.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function isOwnMutation(record) {
  const pieces = [...record.addedNodes, ...record.removedNodes];
  return pieces.length > 0 && pieces.every((piece) => piece.classList?.contains("cursor-overlay"));
}

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

// Runs the function in the next frame, once for any number of calls before it.
function scheduleOnce(run) {
  let pending = false;
  return () => {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => { pending = false; run(); });
  };
}

function decode(data) {
  const v = new Float32Array(bytes(data.v).buffer), image = bytes(data.image), T = data.T, exact = data.exact;
  const symbols = new Uint16Array(bytes(data.symbols).buffer);
  const counts = new Array(T).fill(0);
  for (const symbol of symbols) for (const t of data.times[symbol]) counts[t] += 1;
  for (let t = 1; t < T; t += 1) counts[t] += counts[t - 1];
  const last = exact ? T : T - 1;
  const settle = (t) => Math.min(last, Math.max(0, exact ? t : Math.floor(t)));
  const format = (t) => `${exact ? t.toFixed(2) : t} ms`;
  return { v, image, symbols, T, exact, last, settle, format, counts, pace: Math.max(15, T / 6), left: data.margin[0], right: data.margin[1] };
}

// V of a class at a time. On the grid it is a lookup. Where no spike arrives between the two given times t0 and t0 + h,
// V(t0 + u) = exp(-u / tau) V(t0) + K(u) Y with Y from V(t0 + h); of a pooled class for each of its neurons. Spikes at
// real times may arrive between them, so that h is small then.
function potential(scene, data, i, t) {
  if (!scene.exact) return scene.v[i * scene.T + t];
  const count = scene.T * data.rate, h = 1 / data.rate, at = Math.min(Math.floor(t * data.rate), count - 1), u = t - at * h;
  const slow = Math.max(data.tau, data.tau_s), fast = Math.min(data.tau, data.tau_s);
  const rise = (s) => Math.exp(-s / slow) - Math.exp(-s / fast);
  const neuron = (row) => {
    const [first, next] = [0, 1].map((i) => scene.v[row * (count + 1) + at + i]);
    return first * Math.exp(-u / slow) + (rise(u) / rise(h)) * (next - first * Math.exp(-h / slow));
  };
  if (data.k === 1) return neuron(i);
  const values = Array.from({ length: data.k }, (_, j) => neuron(i * data.k + j)), top = Math.max(...values);
  return top + Math.log(values.reduce((sum, value) => sum + Math.exp(value - top), 0) / data.k);
}

function describe(scene, data, t) {
  const values = data.classes.map((_, i) => potential(scene, data, i, t)), best = values.indexOf(Math.max(...values));
  const arrived = scene.counts[Math.min(Math.floor(t), scene.T - 1)].toLocaleString("en");
  const all = scene.counts[scene.T - 1].toLocaleString("en"), v = values[best];
  const lead = v > 0 ? `${data.classes[best]} is highest, V = ${v.toFixed(2)}` : "no potential is above rest";
  return `${scene.format(t)}: ${arrived} of ${all} spikes have arrived; ${lead}.`;
}

function storeInUrl(scene, t) {
  const url = new URL(window.location.href);
  if (t === null) url.searchParams.delete("t");
  else url.searchParams.set("t", String(scene.exact ? Number(t.toPrecision(9)) : Math.floor(t)));
  window.history.replaceState(window.history.state, "", url);
}

function findPlot(scene, data) {
  return scene.main.querySelector(`.st-key-${data.traces} :is(.js-plotly-plot, .stEChartsChart)`);
}

// Returns the ends of the time axis as it is drawn now, zoomed or not; an ECharts chart has no zoom.
function timeRange(plot, scene) {
  const range = plot._fullLayout?.xaxis?.range ?? plot.layout?.xaxis?.range;
  return range ? [Number(range[0]), Number(range[1])] : [0, Math.max(scene.last, 1)];
}

// Returns an overlay of the host, created if the host has none: a rerun of the page may have replaced the host.
function overlay(host, name, kind = "div") {
  let piece = host.querySelector(`:scope > .${name}`);
  if (!piece) {
    piece = document.createElement(kind);
    piece.className = `cursor-overlay ${name}`;
    piece.setAttribute("aria-hidden", "true");
    host.append(piece);
  }
  return piece;
}

function draw(scene, data, t) {
  const now = t === null ? null : scene.settle(t);
  drawPeaks(scene, data, now);
  const plot = findPlot(scene, data), range = plot ? timeRange(plot, scene) : null;
  if (range) placeRaster(scene, range);
  if (t === null) {
    scene.main.querySelectorAll(".cursor-overlay").forEach((piece) => piece.remove());
    return;
  }
  if (plot) drawTraces(plot, scene, data, t, now, range);
  scene.main.querySelectorAll("[data-cursor=raster]").forEach((host) => {
    const shade = overlay(host, "cursor-shade"), line = overlay(host, "cursor-line");
    if (host.dataset.from === undefined || !range) {  // a column for each millisecond
      shade.style.left = line.style.left = `${(100 * (Math.floor(now) + 1)) / scene.T}%`;
      return;
    }
    const fraction = (at) => (at - range[0]) / (range[1] - range[0]);
    line.style.left = `${100 * fraction(t)}%`;
    line.style.display = fraction(t) < 0 || fraction(t) > 1 ? "none" : "";
    shade.style.left = `${100 * Math.min(1, Math.max(0, fraction(Math.floor(now) + 0.5)))}%`;
  });
  scene.main.querySelectorAll("[data-cursor=digit]").forEach((host) => drawDigit(overlay(host, "cursor-digit", "canvas"), scene, data, now));
}

// Moves the image of a raster that shares the time axis of the traces.
function placeRaster(scene, range) {
  scene.main.querySelectorAll("[data-cursor=raster][data-from]").forEach((host) => {
    const image = host.querySelector("[data-part=image]"), from = Number(host.dataset.from), to = Number(host.dataset.to);
    image.style.left = `${(100 * (from - range[0])) / (range[1] - range[0])}%`;
    image.style.width = `${(100 * (to - from)) / (range[1] - range[0])}%`;
  });
}

function drawTraces(plot, scene, data, t, now, range) {
  const share = (at) => (at - range[0]) / (range[1] - range[0]);
  const position = (x) => `calc(${scene.left}px + (100% - ${scene.left + scene.right}px) * ${x})`;
  const isVisible = (x) => (x < 0 || x > 1 ? "none" : "");
  const [top, bottom] = [`${data.margin[2]}px`, `${data.margin[3]}px`];
  const shade = overlay(plot, "cursor-shade"), line = overlay(plot, "cursor-line"), handle = overlay(plot, "cursor-handle");
  for (const piece of [line, handle]) Object.assign(piece.style, { left: position(share(t)), top, bottom, display: isVisible(share(t)) });
  Object.assign(shade.style, { left: position(Math.min(1, Math.max(0, share(t)))), top, bottom, right: `${scene.right}px` });
  const [low, high] = data.range;
  data.visible_classes.forEach((i) => {
    const dot = overlay(plot, `cursor-dot-${i}`), y = (potential(scene, data, i, now) - low) / (high - low);
    dot.classList.add("cursor-dot");
    Object.assign(dot.style, {
      left: position(share(now)),
      top: `calc(${top} + (100% - ${data.margin[2] + data.margin[3]}px) * ${1 - y})`,
      background: data.colours[i],
      display: isVisible(share(now)),
    });
  });
  plot.querySelectorAll(":scope > .cursor-dot").forEach((dot) => {
    if (!data.visible_classes.some((i) => dot.classList.contains(`cursor-dot-${i}`))) dot.remove();
  });
}

function drawPeaks(scene, data, now) {
  scene.main.querySelectorAll("[data-cursor=peaks]").forEach((host) => {
    const values = data.classes.map((_, i) => (now === null ? data.v_max[i] : potential(scene, data, i, now)));
    const top = Number(host.dataset.low) + Number(host.dataset.span);
    // Potentials below rest occur before and after the peaks: the axis of the bars covers those of all times.
    const low = now === null ? Number(host.dataset.low) : Math.min(Number(host.dataset.low), data.lowest);
    const place = (value) => Math.min(1, Math.max(0, (value - low) / (top - low || 1)));
    host.querySelectorAll("[data-threshold]").forEach((mark) => {
      const at = place(Number(host.dataset.vThreshold));
      mark.style.left = `${100 * at}%`;
      if (mark.tagName === "SPAN") mark.style.transform = `translateX(-${100 * at}%)`;
    });
    values.forEach((value, i) => {
      const bar = host.querySelector(`[data-bar="${i}"]`), number = host.querySelector(`[data-number="${i}"]`);
      if (!bar || !number) return;
      const start = place(Math.min(value, 0)), end = place(Math.max(value, 0));
      bar.style.left = `${100 * start}%`;
      bar.style.width = `${100 * (end - start)}%`;
      setText(number, value.toFixed(2));
    });
    const foot = host.querySelector("[data-foot]");
    if (foot) setText(foot, now === null ? "peak potential" : `potential at ${scene.format(now)}`);
  });
}

function drawDigit(canvas, scene, data, now) {
  const [height, width] = data.shape;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d"), picture = context.createImageData(width, height);
  scene.image.forEach((value, pixel) => {
    const times = data.times[scene.symbols[pixel]];
    let arrived = 0, isRecent = false;
    for (const t of times) {
      if (t <= now) arrived += 1;
      if (t <= now && t > now - 3) isRecent = true;
    }
    const fraction = times.length ? arrived / times.length : 0;
    const level = value ? (40 + 0.84 * value) * fraction : 0;
    const colour = isRecent ? (value ? data.spike : [90, 94, 100]) : [level, level, level];
    picture.data.set([...colour, 255], 4 * pixel);
  });
  context.putImageData(picture, 0, 0);
}
