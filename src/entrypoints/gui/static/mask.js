// A mask over a picture as strokes. What was painted is kept by the picture's id, so that it outlives being drawn anew.
const works = new Map();
const MOST_KEPT = 8;
const LONGEST = 1024;

function surface(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

// What the mask looks like: stripes, since any one colour is the colour of some picture.
function stripes(context) {
  const tile = surface(16, 16);
  const paint = tile.getContext("2d");
  paint.fillStyle = "#6a45ff";
  paint.fillRect(0, 0, 16, 16);
  paint.strokeStyle = "#ff8fd0";
  paint.lineWidth = 4;
  for (const at of [-16, 0, 16]) {
    paint.beginPath();
    paint.moveTo(at, 16);
    paint.lineTo(at + 16, 0);
    paint.stroke();
  }
  return context.createPattern(tile, "repeat");
}

// The strokes of one picture's mask, in the order they were made, on a surface of at most 1024 px.
class Work {
  constructor(width, height) {
    const share = Math.min(1, LONGEST / Math.max(width, height));
    this.full = [width, height];
    this.canvas = surface(Math.max(1, Math.round(width * share)), Math.max(1, Math.round(height * share)));
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.stripes = stripes(this.context);
    this.steps = [];
    this.undone = [];
    this.revision = null;
  }

  add(step) {
    this.steps.push(step);
    this.undone = [];
    this.apply(step);
  }

  move(from, to) {
    if (!from.length) return false;
    to.push(from.pop());
    this.replay();
    return true;
  }

  replay() {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.steps.forEach((step) => this.apply(step));
  }

  apply(step) {
    const { context, canvas } = this;
    context.save();
    context.fillStyle = context.strokeStyle = this.stripes;
    if (step.kind === "clear") context.clearRect(0, 0, canvas.width, canvas.height);
    else if (step.kind === "base") context.drawImage(step.image, 0, 0);
    else if (step.kind === "invert") {
      context.globalCompositeOperation = "xor";
      context.fillRect(0, 0, canvas.width, canvas.height);
    } else this.line(step, 0);
    context.restore();
  }

  // The stroke from that point of it on.
  line(step, first) {
    const { context } = this;
    context.save();
    context.globalCompositeOperation = step.erase ? "destination-out" : "source-over";
    context.fillStyle = context.strokeStyle = this.stripes;
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = step.size;
    context.beginPath();
    const [x, y] = step.points[first];
    context.moveTo(x, y);
    // A line without any length is not drawn, and one click should be a dot.
    context.lineTo(x + 0.01, y);
    step.points.slice(first + 1).forEach((point) => context.lineTo(...point));
    context.stroke();
    context.restore();
  }

  // A mask from elsewhere: white is covered.
  async take(url) {
    const image = new Image();
    image.src = url;
    await image.decode();
    const base = surface(this.canvas.width, this.canvas.height);
    const context = base.getContext("2d");
    context.drawImage(image, 0, 0, base.width, base.height);
    const pixels = context.getImageData(0, 0, base.width, base.height);
    for (let at = 0; at < pixels.data.length; at += 4) {
      const [red, green, blue, alpha] = pixels.data.subarray(at, at + 4);
      pixels.data[at + 3] = ((0.299 * red + 0.587 * green + 0.114 * blue) * alpha) / 255;
    }
    context.putImageData(pixels, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = this.stripes;
    context.fillRect(0, 0, base.width, base.height);
    this.add({ kind: "clear" });
    this.add({ kind: "base", image: base });
  }

  // The share that is covered, 0 to 1.
  covered() {
    const { data } = this.context.getImageData(0, 0, this.canvas.width, this.canvas.height);
    let sum = 0;
    for (let at = 3; at < data.length; at += 4) sum += data[at];
    return sum / 255 / (data.length / 4);
  }

  // As the service takes it, in the picture's own size: white is painted anew, black is kept.
  async file() {
    const white = surface(this.canvas.width, this.canvas.height);
    const paint = white.getContext("2d");
    paint.drawImage(this.canvas, 0, 0);
    paint.globalCompositeOperation = "source-in";
    paint.fillStyle = "#fff";
    paint.fillRect(0, 0, white.width, white.height);
    const whole = surface(...this.full);
    const context = whole.getContext("2d");
    context.fillRect(0, 0, whole.width, whole.height);
    context.drawImage(white, 0, 0, whole.width, whole.height);
    const blob = await new Promise((done) => whole.toBlob(done, "image/png"));
    return new Promise((done) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result);
      reader.readAsDataURL(blob);
    });
  }
}

function workOf(data) {
  let work = works.get(data.id);
  works.delete(data.id);
  if (!work) work = new Work(data.width, data.height);
  works.set(data.id, work);
  if (works.size > MOST_KEPT) works.delete(works.keys().next().value);
  return work;
}

// What was painted last in this tab, for when the page is loaded anew before it was sent.
const PLACE = "imaging.mask";
const LARGEST = 1_000_000;

function keep(id, file) {
  try {
    if (file && file.length <= LARGEST) sessionStorage.setItem(PLACE, JSON.stringify({ id, file }));
    else sessionStorage.removeItem(PLACE);
  } catch {
    // A browser that keeps nothing for this page: then a reload begins anew.
  }
}

function kept(id) {
  try {
    const found = JSON.parse(sessionStorage.getItem(PLACE));
    return found?.id === id && String(found.file).startsWith("data:image/png;base64,") ? found.file : null;
  } catch {
    return null;
  }
}
