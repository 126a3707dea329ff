// Reports the size of the window, so that the server can draw the key figure at a height that fits.

export default function ({ data, setStateValue }) {
  let timer = 0;
  const report = () => {
    const size = [window.innerWidth, window.innerHeight];
    if (Math.abs(size[0] - data[0]) > 8 || Math.abs(size[1] - data[1]) > 8) setStateValue("size", size);
  };
  const onResize = () => {
    clearTimeout(timer);
    timer = setTimeout(report, 250);
  };
  window.addEventListener("resize", onResize);
  report();
  return () => {
    clearTimeout(timer);
    window.removeEventListener("resize", onResize);
  };
}
