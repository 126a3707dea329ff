// The chosen picture as PNG or SVG, made of what the browser shows, and the link of the view as it is.

export default function ({ data, parentElement }) {
  const part = (name) => parentElement.querySelector(`[data-part=${name}]`);
  part("png").onclick = () => exportSvg(data).then((found) => found && png(found, data.file));
  part("svg").onclick = () => exportSvg(data).then((found) => found && download(new Blob([found.text], { type: "image/svg+xml" }), `${data.file}.svg`));
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
  const plate = document.querySelector(`[data-figure="${data.key}"]`);
  return plate ? htmlToSvg(plate) : null;
}

function pageStyle(element) {
  const style = getComputedStyle(document.querySelector(".stApp"));
  return { background: style.backgroundColor, colour: style.color, scheme: style.colorScheme, font: getComputedStyle(element).fontFamily };
}

// A Plotly chart is several drawings on top of each other, an ECharts chart is one.
function plotlyToSvg(plot) {
  const { width, height } = plot.getBoundingClientRect();
  const layers = [...plot.querySelectorAll("svg.main-svg, :scope.stEChartsChart > div > svg")].map((layer) => {
    const copy = layer.cloneNode(true), words = copy.querySelectorAll("text");
    // The page's style gives words their colour; in the file they must carry it themselves.
    layer.querySelectorAll("text").forEach((text, i) => { words[i].style.fill = getComputedStyle(text).fill; });
    copy.querySelectorAll(".cursor-overlay").forEach((piece) => piece.remove());
    return copy.innerHTML;
  });
  return svgDocument(layers.join(""), width, height, pageStyle(plot));
}

// A picture of HTML goes into a drawing as it is, with the colours and letters that it has on the page.
function htmlToSvg(plate) {
  const { width, height } = plate.getBoundingClientRect();
  const copy = plate.cloneNode(true);
  copy.querySelectorAll(".cursor-overlay").forEach((piece) => piece.remove());
  copy.querySelectorAll("[data-tooltip]").forEach((piece) => piece.removeAttribute("data-tooltip"));
  const look = pageStyle(plate);
  const box = document.createElement("div");
  box.setAttribute("xmlns", "http://www.w3.org/1999/xhtml");
  Object.assign(box.style, { color: look.colour, colorScheme: look.scheme, fontFamily: look.font, width: `${width}px` });
  box.append(copy);
  const inside = new XMLSerializer().serializeToString(box);
  return svgDocument(`<foreignObject width="${width}" height="${height}">${inside}</foreignObject>`, width, height, look);
}

function svgDocument(inside, width, height, look) {
  const open = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`;
  const background = `<rect width="100%" height="100%" fill="${look.background}"/>`;
  const fonts = `<g font-family="${look.font.replaceAll('"', "'")}" fill="${look.colour}">`;
  return { text: `${open}${background}${fonts}${inside}</g></svg>`, width, height };
}

function png({ text, width, height }, file) {
  const exportSvg = new Image(), scale = 2;
  exportSvg.onload = () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width * scale, height * scale];
    canvas.getContext("2d").drawImage(exportSvg, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => download(blob, `${file}.png`));
  };
  exportSvg.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
}

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
