// A picture in the whole window: it is zoomed and moved here, the ones beside it are asked for from the page.
const views = new WeakMap();
// The wheel's step, the largest zoom, and how much a small picture is enlarged to fill the window.
const [STEP, MOST, FILL] = [1.25, 8, 2];
// How far a finger goes until it means the next picture, and a pointer until it is no click, in px.
const [SWIPE, STILL] = [60, 5];
const OVER = "[data-testid=stPopoverBody]";
const CLOSES = '.stDialog button[aria-label="Close"]';
const BUSY = "input, textarea, select, [contenteditable], [role=slider], [role=radio], [role=tab], [role=combobox]";

export default function viewer({ data, parentElement, setTriggerValue }) {
  let view = views.get(parentElement);
  if (!view) views.set(parentElement, (view = new Viewer(parentElement)));
  view.show(data, (way) => setTriggerValue("step", way));
  return () => {
    view.leave();
    views.delete(parentElement);
  };
}

class Viewer {
  constructor(root) {
    const find = (name) => root.querySelector(name);
    [this.enter, this.dialog, this.stage, this.image] = [find(".enter"), find("dialog"), find(".stage"), find("img")];
    [this.told, this.much] = [find(".told"), find(".much")];
    this.fingers = new Map();
    this.listen();
  }

  show(data, ask) {
    this.data = data;
    this.ask = ask;
    this.asked = false;
    this.image.alt = data.alt;
    if (this.dialog.open) this.told.textContent = data.told;
    for (const way of ["before", "after"]) this.dialog.querySelector(`.${way}`).disabled = !data[way];
    if (!data.frame) this.dialog.close();
    this.follow();
  }

  leave() {
    document.removeEventListener("keydown", this.keys, true);
    document.removeEventListener("click", this.click);
    document.removeEventListener("load", this.loaded, true);
    for (const watch of [this.changes, this.room, this.page]) watch.disconnect();
  }

  // The picture in the drawer: it may not be there yet, not loaded, or still the one before, and any of that may change.
  follow() {
    const found = this.data.frame && document.querySelector(`.st-key-${this.data.frame} img`);
    const there = found?.complete && found.naturalWidth > 0;
    this.enter.hidden = !there;
    this.stage.classList.toggle("waits", !there || this.asked);
    if (!there) return;
    this.rest(found);
    if (!this.dialog.open || this.image.src === found.src) return;
    this.image.src = found.src;
    [this.wide, this.high] = [found.naturalWidth, found.naturalHeight];
    this.whole();
  }

  // The button's place is the upper right corner of the picture; of an edit, that of the slider over it.
  rest(found) {
    const own = this.enter.parentNode.host?.getBoundingClientRect() ?? this.enter.parentNode.getBoundingClientRect();
    const box = found.getBoundingClientRect();
    this.enter.style.top = `${(box.width ? Math.max(box.top - own.top, 0) : 0) + 10}px`;
    this.enter.style.right = `${(box.width ? own.right - box.right : 0) + 10}px`;
  }

  open() {
    if (this.dialog.open || !this.data.frame) return;
    this.dialog.showModal();
    this.image.removeAttribute("src");
    this.told.textContent = this.data.told;
    this.follow();
  }

  close() {
    this.dialog.close();
    this.told.textContent = "";
    this.enter.focus();
  }

  step(way) {
    // One at a time: a key that is held down would ask from where the last step has not led to yet.
    if (!this.data[way] || this.asked) return;
    this.asked = true;
    this.stage.classList.add("waits");
    this.ask(way);
  }

  // --- zoom --------------------------------------------------------------------------------------------------

  fit() {
    return Math.min(this.stage.clientWidth / this.wide, this.stage.clientHeight / this.high, FILL);
  }

  whole() {
    [this.scale, this.x, this.y] = [this.fit(), 0, 0];
    this.draw();
  }

  // So much larger, with what lies at that place of the stage staying there.
  zoom(scale, x = 0, y = 0) {
    const next = Math.min(Math.max(scale, Math.min(this.fit(), 1)), Math.max(MOST, this.fit()));
    const grown = next / this.scale;
    [this.x, this.y, this.scale] = [x - (x - this.x) * grown, y - (y - this.y) * grown, next];
    this.draw();
  }

  turn(x, y) {
    if (this.scale > this.fit() * 1.01) this.whole();
    else this.zoom(this.fit() >= 0.99 ? this.fit() * 2 : 1, x, y);
  }

  draw() {
    if (!this.wide) return;
    const within = (value, side, room) => {
      const most = Math.max(0, (side * this.scale - room) / 2);
      return Math.min(Math.max(value, -most), most);
    };
    this.x = within(this.x, this.wide, this.stage.clientWidth);
    this.y = within(this.y, this.high, this.stage.clientHeight);
    const [left, top] = [this.x - (this.wide * this.scale) / 2, this.y - (this.high * this.scale) / 2];
    this.image.style.transform = `translate(${left}px, ${top}px) scale(${this.scale})`;
    this.stage.classList.toggle("large", this.scale > this.fit() * 1.01);
    this.stage.classList.toggle("pixels", this.scale > 3);
    this.much.textContent = `${Math.round(this.scale * 100)} %`;
  }

  // --- what people do ------------------------------------------------------------------------------------------

  listen() {
    this.keys = (event) => this.key(event);
    this.click = (event) => event.target.matches?.(`.st-key-${this.data.frame} img`) && this.open();
    this.loaded = () => this.follow();
    this.changes = new MutationObserver(this.loaded);
    document.addEventListener("keydown", this.keys, true);
    document.addEventListener("click", this.click);
    // It does not rise, but it can be caught on its way down.
    document.addEventListener("load", this.loaded, true);
    this.changes.observe(document.body, { childList: true, subtree: true, attributeFilter: ["src", "class"] });
    this.enter.addEventListener("click", () => this.open());
    for (const button of this.dialog.querySelectorAll("button"))
      button.addEventListener("click", () => this.act(button.dataset.act));
    this.room = new ResizeObserver(() => this.wide && this.dialog.open && this.whole());
    this.room.observe(this.stage);
    this.page = new ResizeObserver(this.loaded);
    this.page.observe(document.body);
    this.dialog.addEventListener("cancel", (event) => (event.preventDefault(), this.close()));
    this.stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (this.wide) this.zoom(this.scale * STEP ** -Math.sign(event.deltaY), ...this.place(event));
    });
    this.stage.addEventListener("pointerdown", (event) => this.down(event));
    this.stage.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) this.stage.addEventListener(name, (event) => this.up(event));
  }

  act(what) {
    if (what === "leave") this.close();
    else if (what === "before" || what === "after") this.step(what);
    else if (!this.wide) return;
    else if (what === "turn") this.turn(0, 0);
    else this.zoom(this.scale * (what === "in" ? STEP : 1 / STEP));
  }

  key(event) {
    const way = { ArrowLeft: "before", ArrowRight: "after" }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (!this.dialog.open) {
      // What lies over the drawer comes first, and what has a use of its own for the arrows keeps them.
      if (document.querySelector(OVER)) return;
      // A button that leads no further lets the focus go, and without it the drawer does not hear this.
      if (event.key === "Escape" && document.activeElement === document.body) document.querySelector(CLOSES)?.click();
      if (!way || event.composedPath()[0].closest?.(BUSY)) return;
      this.step(way);
    } else if (event.key === "Escape") {
      // Only this: the drawer beneath listens too, when the key comes up.
      const let_go = (up) => up.key === "Escape" && up.stopImmediatePropagation();
      window.addEventListener("keyup", let_go, { capture: true, once: true });
      this.close();
    } else if (way) this.step(way);
    else if ("+=-".includes(event.key)) this.act(event.key === "-" ? "out" : "in");
    else if (event.key === "0" && this.wide) this.whole();
    else if (event.key === "1" && this.wide) this.zoom(1);
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  // From the middle of the stage.
  place(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
  }

  spread() {
    const [a, b] = [...this.fingers.values()];
    return Math.hypot(a[0] - b[0], a[1] - b[1]);
  }

  down(event) {
    this.stage.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, this.place(event));
    if (this.fingers.size === 1) this.began = { at: this.place(event), touch: event.pointerType === "touch" };
    else if (this.began) this.began.pinched = true;
    this.stage.classList.add("held");
  }

  move(event) {
    const last = this.fingers.get(event.pointerId);
    if (!last || !this.wide) return;
    const at = this.place(event);
    const apart = this.fingers.size === 2 && this.spread();
    this.fingers.set(event.pointerId, at);
    if (apart) {
      const [a, b] = [...this.fingers.values()];
      this.zoom((this.scale * this.spread()) / apart, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
    } else if (this.fingers.size === 1) {
      [this.x, this.y] = [this.x + at[0] - last[0], this.y + at[1] - last[1]];
      this.draw();
    }
  }

  up(event) {
    if (!this.fingers.delete(event.pointerId) || this.fingers.size) return;
    this.stage.classList.remove("held");
    const { at, touch, pinched } = this.began;
    const [x, y] = this.place(event);
    const [along, across] = [x - at[0], y - at[1]];
    if (event.type === "pointercancel" || pinched || !this.wide) return;
    if (Math.hypot(along, across) < STILL) this.turn(x, y);
    else if (touch && this.scale <= this.fit() * 1.01 && Math.abs(along) > Math.max(SWIPE, 2 * Math.abs(across)))
      this.step(along > 0 ? "before" : "after");
  }
}
