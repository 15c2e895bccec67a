// Shows a picture with its mask, and paints that by pointer or keys; one module with mask.js.
const views = new WeakMap();
const KEYS = "Arrow keys move the brush, the space bar sets it down and lifts it.";
const HINT = `Paint over what should change.${matchMedia("(pointer: coarse)").matches ? "" : ` ${KEYS}`}`;

export default function painter({ data, parentElement, setStateValue }) {
  let view = views.get(parentElement);
  if (!view) views.set(parentElement, (view = new View(parentElement.querySelector(".painter"))));
  view.show(data, setStateValue);
  return () => view.leave();
}

class View {
  constructor(root) {
    const find = (name) => root.querySelector(name);
    this.root = root;
    [this.stage, this.picture, this.mask] = [find(".stage"), find(".picture"), find(".mask")];
    [this.ring, this.size, this.told] = [find(".ring"), find(".size input"), find(".told")];
    this.erasing = false;
    this.stroke = null;
    this.penDown = false;
    this.at = null;
    this.context = this.mask.getContext("2d");
    this.listen();
  }

  show(data, setStateValue) {
    this.send = (value) => setStateValue("mask", value);
    this.root.classList.toggle("still", !data.tools);
    this.stage.style.aspectRatio = `${data.width} / ${data.height}`;
    this.stage.style.width = `min(100%, calc(${data.tallest}vh * ${data.width / data.height}))`;
    if (this.picture.src !== data.picture) this.picture.src = data.picture;
    this.picture.alt = data.alt;
    this.mask.setAttribute("aria-label", `Mask on the picture. ${KEYS}`);
    if (this.work && this.id === data.id && data.revision === this.work.revision) return;
    this.id = data.id;
    this.work = workOf(data);
    [this.mask.width, this.mask.height] = [this.work.canvas.width, this.work.canvas.height];
    this.at = [this.mask.width / 2, this.mask.height / 2];
    this.draw();
    this.tell();
    if (data.revision !== this.work.revision) this.begin(data);
  }

  // A mask from elsewhere, or none, in place of what was painted before.
  async begin(data) {
    this.work.revision = data.revision;
    const base = data.base || (!this.work.steps.length && kept(data.id));
    if (!base && !this.work.steps.length) return;
    try {
      if (base) await this.work.take(base);
      else this.work.add({ kind: "clear" });
      await this.changed();
    } catch {
      this.told.textContent = "The mask cannot be read.";
    }
  }

  leave() {
    views.delete(this.root.getRootNode());
  }

  draw() {
    this.context.clearRect(0, 0, this.mask.width, this.mask.height);
    this.context.drawImage(this.work.canvas, 0, 0);
    this.root.querySelector('[data-act="undo"]').disabled = !this.work.steps.length;
    this.root.querySelector('[data-act="redo"]').disabled = !this.work.undone.length;
  }

  tell() {
    const covered = this.work.covered();
    const percent = covered > 0 && covered < 0.01 ? "less than 1" : Math.round(covered * 100);
    this.told.textContent = covered ? `${percent} % of the picture is painted anew, the rest is kept.` : HINT;
    this.root.querySelector('[data-act="clear"]').disabled = !covered;
  }

  async changed() {
    this.draw();
    const work = this.work;
    const file = work.covered() ? await work.file() : null;
    if (work !== this.work) return;
    // Said once the page's server has been sent it: whoever reads it may press the button.
    this.send(file);
    keep(this.id, file);
    this.tell();
  }

  // --- painting

  pixel(event) {
    const box = this.mask.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.mask.width;
    return [x, ((event.clientY - box.top) / box.height) * this.mask.height];
  }

  begins(point) {
    this.stroke = { kind: "line", erase: this.erasing, size: this.width(), points: [point] };
    this.follow();
  }

  goesOn(point) {
    this.stroke.points.push(point);
    this.follow();
  }

  // Painted as it comes; the whole stroke becomes one step at its end.
  follow() {
    this.work.line(this.stroke, Math.max(0, this.stroke.points.length - 2));
    this.context.clearRect(0, 0, this.mask.width, this.mask.height);
    this.context.drawImage(this.work.canvas, 0, 0);
  }

  ends() {
    if (!this.stroke) return;
    this.work.steps.push(this.stroke);
    this.work.undone = [];
    this.stroke = null;
    this.changed();
  }

  // The brush is as many px of the screen as its slider says.
  width() {
    const box = this.mask.getBoundingClientRect();
    return (Number(this.size.value) / (box.width || 1)) * this.mask.width;
  }

  point(at) {
    this.at = at;
    const box = this.mask.getBoundingClientRect();
    const size = Number(this.size.value);
    const [x, y] = [(at[0] / this.mask.width) * box.width, (at[1] / this.mask.height) * box.height];
    Object.assign(this.ring.style, {
      width: `${size}px`,
      height: `${size}px`,
      transform: `translate(${x - size / 2}px, ${y - size / 2}px)`,
    });
  }

  use(erasing) {
    this.erasing = erasing;
    for (const button of this.root.querySelectorAll("[data-tool]"))
      button.setAttribute("aria-pressed", String((button.dataset.tool === "eraser") === erasing));
  }

  act(name) {
    const { work } = this;
    if (name === "undo" && !work.move(work.steps, work.undone)) return;
    if (name === "redo" && !work.move(work.undone, work.steps)) return;
    if (name === "clear" || name === "invert") work.add({ kind: name });
    this.changed();
  }

  // --- listening

  listen() {
    const { mask, stage } = this;
    mask.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !event.isPrimary) return;
      mask.setPointerCapture(event.pointerId);
      this.point(this.pixel(event));
      this.begins(this.at);
    });
    mask.addEventListener("pointermove", (event) => {
      stage.classList.add("near");
      const seen = event.getCoalescedEvents?.() ?? [];
      for (const one of seen.length ? seen : [event]) {
        this.point(this.pixel(one));
        if (this.stroke && event.buttons) this.goesOn(this.at);
      }
    });
    for (const name of ["pointerup", "pointercancel"]) mask.addEventListener(name, () => this.ends());
    mask.addEventListener("pointerleave", () => this.stroke || stage.classList.remove("near"));
    mask.addEventListener("focus", () => {
      if (mask.matches(":focus-visible")) {
        stage.classList.add("near");
        this.point(this.at);
      }
    });
    mask.addEventListener("blur", () => {
      this.lift();
      stage.classList.remove("near");
    });
    mask.addEventListener("keydown", (event) => this.key(event) && (event.preventDefault(), event.stopPropagation()));
    this.size.addEventListener("input", () => this.point(this.at));
    for (const button of this.root.querySelectorAll("button"))
      button.addEventListener("click", () => {
        if (button.dataset.tool) this.use(button.dataset.tool === "eraser");
        else this.act(button.dataset.act);
      });
  }

  lift() {
    this.penDown = false;
    this.ends();
  }

  // Whether the key meant something here.
  key(event) {
    const step = Number(this.size.value) / (event.shiftKey ? 1 : 4);
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const [key, way] = [event.key.toLowerCase(), ways[event.key]];
    if (event.ctrlKey || event.metaKey) {
      if (key !== "z" && key !== "y") return false;
      this.act(key === "y" || event.shiftKey ? "redo" : "undo");
    } else if (way) {
      const [x, y] = this.at;
      const within = (value, most) => Math.min(Math.max(value, 0), most);
      this.point([within(x + way[0] * step, this.mask.width), within(y + way[1] * step, this.mask.height)]);
      if (this.penDown) this.goesOn(this.at);
    } else if (key === " ") {
      this.penDown = !this.penDown;
      if (this.penDown) this.begins(this.at);
      else this.ends();
    } else if (key === "b" || key === "e") this.use(key === "e");
    else if (key === "[" || key === "]") {
      this.size.value = Number(this.size.value) + (key === "]" ? 12 : -12);
      this.point(this.at);
    } else if (key === "delete" || key === "backspace") this.act("clear");
    else return false;
    return true;
  }
}
