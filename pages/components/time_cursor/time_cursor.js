// Time cursor over the figures of a page: digit, spike raster, membrane potentials and peaks. It runs in the browser
// alone: it draws overlays for the time t over figures that the server has sent before.

const memory = { t: null, dispose: null, requestedId: null, root: null, reported: null };

export default function ({ data, parentElement, setStateValue }) {
  const scene = decode(data);
  if (memory.t === null && data.t !== null) memory.t = data.t;
  if (data.requested.length && data.requested[0] !== memory.requestedId) [memory.requestedId, memory.t] = data.requested;
  if (memory.t !== null) memory.t = Math.min(memory.t, scene.T - 1);
  const root = parentElement.querySelector(".cursor");
  // Only one instance may be active: two would overwrite each other's changes endlessly.
  memory.dispose?.();
  const find = (name) => root.querySelector(`[data-part=${name}]`);
  const [play, slider, off, statusText, peakButtons] = ["play", "slider", "off", "words", "jumps"].map(find);
  const main = document.querySelector(".stMain");
  let frame = 0, lastFrame = 0, playing = false, reportTimer = 0;

  slider.max = scene.T - 1;
  peakButtons.replaceChildren(...data.classes.map((name, i) => {
    const button = document.createElement("button");
    button.textContent = name;
    button.title = `peaks at ${data.t_max[i]} ms`;
    button.setAttribute("aria-label", `go to the peak of ${name}, ${data.t_max[i]} ms`);
    button.style.color = data.text_colours[i];
    button.onclick = () => { stop(); move(data.t_max[i]); };
    return button;
  }));

  const observer = new MutationObserver((records) => {
    if (!root.isConnected) observer.disconnect();
    else if (records.some((record) => !root.contains(record.target) && !isOwnMutation(record))) show();
  });
  function show() {
    observer.disconnect();
    draw(scene, data, memory.t);
    const t = memory.t === null ? scene.T - 1 : Math.floor(memory.t);
    slider.value = t;
    slider.setAttribute("aria-valuetext", `${t} ms`);
    off.disabled = memory.t === null;
    root.classList.toggle("on", memory.t !== null);
    setText(play, playing ? "❚❚" : "▶");
    play.setAttribute("aria-label", playing ? "pause" : "play");
    setText(statusText, memory.t === null ? data.invitation : describe(scene, data, t));
    observer.observe(main, { childList: true, subtree: true });
  }
  function store(t) {
    storeInUrl(t);
    report();
  }
  // A page whose figures are drawn for the time of the cursor learns of it at rest and a few times a second.
  function report() {
    if (!data.reports || reportTimer) return;
    const send = () => {
      reportTimer = 0;
      const t = memory.t === null ? null : Math.floor(memory.t);
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
    if (memory.t !== null) memory.t = Math.floor(memory.t);
  }
  function advance(now) {
    if (!playing) return;
    // The timestamp of a frame is that of its start, which may lie before the click that requested it.
    memory.t = Math.min(scene.T - 1, memory.t + (Math.max(0, now - lastFrame) / 1000) * scene.pace);
    lastFrame = now;
    if (memory.t >= scene.T - 1) stop();
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
    if (memory.t === null || memory.t >= scene.T - 1) memory.t = 0;
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
    stop();
    const box = plot.getBoundingClientRect();
    const onMove = (moved) => {
      const fraction = (moved.clientX - box.left - scene.left) / (box.width - scene.left - scene.right);
      memory.t = Math.round(Math.min(1, Math.max(0, fraction)) * (scene.T - 1));
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
  const dispose = () => {
    playing = false;
    cancelAnimationFrame(frame);
    clearTimeout(reportTimer);
    observer.disconnect();
    main.removeEventListener("pointerdown", drag);
    if (memory.dispose === dispose) {
      memory.dispose = null;
      document.querySelectorAll(".cursor-overlay").forEach((piece) => piece.remove());
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

function decode(data) {
  const v = new Float32Array(bytes(data.v).buffer), image = bytes(data.image), T = data.T;
  const symbols = new Uint16Array(bytes(data.symbols).buffer);
  const counts = new Array(T).fill(0);
  for (const symbol of symbols) for (const t of data.times[symbol]) counts[t] += 1;
  for (let t = 1; t < T; t += 1) counts[t] += counts[t - 1];
  return { v, image, symbols, T, counts, pace: Math.max(15, T / 6), left: data.margin[0], right: data.margin[1] };
}

function leader(scene, classes, t) {
  let best = 0;
  for (let i = 1; i < classes; i += 1) if (scene.v[i * scene.T + t] > scene.v[best * scene.T + t]) best = i;
  return best;
}

function describe(scene, data, t) {
  const best = leader(scene, data.classes.length, t);
  const arrived = scene.counts[t].toLocaleString("en"), all = scene.counts[scene.T - 1].toLocaleString("en");
  const v = scene.v[best * scene.T + t];
  const lead = v > 0 ? `${data.classes[best]} is highest, V = ${v.toFixed(2)}` : "no potential is above rest";
  return `${t} ms: ${arrived} of ${all} spikes have arrived; ${lead}.`;
}

function storeInUrl(t) {
  const url = new URL(window.location.href);
  if (t === null) url.searchParams.delete("t");
  else url.searchParams.set("t", String(Math.floor(t)));
  window.history.replaceState(window.history.state, "", url);
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
  const now = t === null ? null : Math.floor(t);
  drawPeaks(scene, data, now);
  if (t === null) {
    document.querySelectorAll(".cursor-overlay").forEach((piece) => piece.remove());
    return;
  }
  const plot = document.querySelector(`.st-key-${data.traces} .js-plotly-plot`);
  if (plot) drawTraces(plot, scene, data, t, now);
  document.querySelectorAll("[data-cursor=raster]").forEach((host) => {
    const left = `${(100 * (now + 1)) / scene.T}%`;
    overlay(host, "cursor-shade").style.left = left;
    overlay(host, "cursor-line").style.left = left;
  });
  document.querySelectorAll("[data-cursor=digit]").forEach((host) => drawDigit(overlay(host, "cursor-digit", "canvas"), scene, data, now));
}

function drawTraces(plot, scene, data, t, now) {
  const fraction = t / Math.max(scene.T - 1, 1);
  const position = (x) => `calc(${scene.left}px + (100% - ${scene.left + scene.right}px) * ${x})`;
  const [top, bottom] = [`${data.margin[2]}px`, `${data.margin[3]}px`];
  const shade = overlay(plot, "cursor-shade"), line = overlay(plot, "cursor-line"), handle = overlay(plot, "cursor-handle");
  for (const piece of [shade, line, handle]) Object.assign(piece.style, { left: position(fraction), top, bottom });
  shade.style.right = `${scene.right}px`;
  const [low, high] = data.range;
  data.visible_classes.forEach((i) => {
    const dot = overlay(plot, `cursor-dot-${i}`), y = (scene.v[i * scene.T + now] - low) / (high - low);
    dot.classList.add("cursor-dot");
    Object.assign(dot.style, {
      left: position(now / Math.max(scene.T - 1, 1)),
      top: `calc(${top} + (100% - ${data.margin[2] + data.margin[3]}px) * ${1 - y})`,
      background: data.colours[i],
    });
  });
}

function drawPeaks(scene, data, now) {
  document.querySelectorAll("[data-cursor=peaks]").forEach((host) => {
    const low = Number(host.dataset.low), span = Number(host.dataset.span);
    data.classes.forEach((_, i) => {
      const bar = host.querySelector(`[data-bar="${i}"]`), number = host.querySelector(`[data-number="${i}"]`);
      if (!bar || !number) return;
      const value = now === null ? data.v_max[i] : scene.v[i * scene.T + now];
      const start = Math.max(0, (Math.min(value, 0) - low) / span), end = Math.min(1, (Math.max(value, 0) - low) / span);
      bar.style.left = `${100 * start}%`;
      bar.style.width = `${100 * Math.max(0, end - start)}%`;
      setText(number, value.toFixed(2));
    });
    const foot = host.querySelector("[data-foot]");
    if (foot) setText(foot, now === null ? "peak potential" : `potential at ${now} ms`);
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
