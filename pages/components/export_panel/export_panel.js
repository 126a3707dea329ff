// Saves the selected figure as PNG or SVG from what the browser shows, and copies the link of the view.

export default function ({ data, parentElement }) {
  const part = (name) => parentElement.querySelector(`[data-part=${name}]`);
  part("png").onclick = () => exportSvg(data).then((svg) => svg && downloadPng(svg, data.file));
  part("svg").onclick = () => exportSvg(data).then((svg) => svg && download(new Blob([svg.text], { type: "image/svg+xml" }), `${data.file}.svg`));
  part("link").onclick = async () => {
    part("url").hidden = false;
    part("url").value = window.location.href;
    part("url").select();
    try {
      await navigator.clipboard.writeText(window.location.href);
      part("link").textContent = "Copied";
    } catch {
      part("link").textContent = "Copy this";
    }
  };
}

async function exportSvg(data) {
  const plot = document.querySelector(`.st-key-${data.key} :is(.js-plotly-plot, .stEChartsChart)`);
  if (plot) return plotlyToSvg(plot);
  const figure = document.querySelector(`[data-figure="${data.key}"]`);
  return figure ? htmlToSvg(figure) : null;
}

function pageStyle(element) {
  const style = getComputedStyle(document.querySelector(".stApp"));
  return { background: style.backgroundColor, colour: style.color, scheme: style.colorScheme, font: getComputedStyle(element).fontFamily };
}

// A Plotly chart consists of several SVG layers, an ECharts chart of one.
function plotlyToSvg(plot) {
  const { width, height } = plot.getBoundingClientRect();
  const layers = [...plot.querySelectorAll("svg.main-svg, :scope.stEChartsChart > div > svg")].map((layer) => {
    const copy = layer.cloneNode(true), texts = copy.querySelectorAll("text");
    // On the page CSS colours the text; the file needs the colour as an attribute.
    layer.querySelectorAll("text").forEach((text, i) => { texts[i].style.fill = getComputedStyle(text).fill; });
    copy.querySelectorAll(".cursor-overlay").forEach((piece) => piece.remove());
    return copy.innerHTML;
  });
  return svgDocument(layers.join(""), width, height, pageStyle(plot));
}

// Embeds an HTML figure as foreignObject with the colours and fonts of the page.
function htmlToSvg(figure) {
  const { width, height } = figure.getBoundingClientRect();
  const copy = figure.cloneNode(true);
  copy.querySelectorAll(".cursor-overlay").forEach((piece) => piece.remove());
  copy.querySelectorAll("[data-tooltip]").forEach((piece) => piece.removeAttribute("data-tooltip"));
  const style = pageStyle(figure);
  const box = document.createElement("div");
  box.setAttribute("xmlns", "http://www.w3.org/1999/xhtml");
  Object.assign(box.style, { color: style.colour, colorScheme: style.scheme, fontFamily: style.font, width: `${width}px` });
  box.append(copy);
  const inside = new XMLSerializer().serializeToString(box);
  return svgDocument(`<foreignObject width="${width}" height="${height}">${inside}</foreignObject>`, width, height, style);
}

function svgDocument(inside, width, height, style) {
  const open = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`;
  const background = `<rect width="100%" height="100%" fill="${style.background}"/>`;
  const fonts = `<g font-family="${style.font.replaceAll('"', "'")}" fill="${style.colour}">`;
  return { text: `${open}${background}${fonts}${inside}</g></svg>`, width, height };
}

function downloadPng({ text, width, height }, file) {
  const image = new Image(), scale = 2;
  image.onload = () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width * scale, height * scale];
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => download(blob, `${file}.png`));
  };
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
}

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
