// Two pictures over each other and a slider between them. Where it stood is kept by the picture's id.
const stood = new Map();

export default function compare({ data, parentElement }) {
  const root = parentElement.querySelector(".compare");
  const [after, before, slider] = [".after", ".before", "input"].map((name) => root.querySelector(name));
  root.style.aspectRatio = `${data.width} / ${data.height}`;
  root.style.width = `min(100%, calc(${data.tallest}vh * ${data.width / data.height}))`;
  for (const [image, source, alt] of [[after, data.after, data.alt], [before, data.before, data.altBefore]]) {
    if (image.src !== source) image.src = source;
    image.alt = alt;
  }
  const show = () => {
    const at = Number(slider.value);
    stood.set(data.id, at);
    root.style.setProperty("--at", `${at}%`);
    root.classList.toggle("few", at < 14);
    root.classList.toggle("many", at > 86);
    slider.setAttribute("aria-valuetext", `${at} % before, ${100 - at} % after`);
  };
  slider.value = stood.get(data.id) ?? 50;
  slider.oninput = show;
  show();
}
