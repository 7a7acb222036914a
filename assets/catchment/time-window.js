// A window of time that a slider moves over the data's range: it writes the fields "from" and "to".
const STEP_MILLISECONDS = 1200; // of a window that plays

const find = (id) => document.getElementById(id);
const readTime = (input) => (input.value ? Date.parse(`${input.value}Z`) : NaN);
const writeTime = (time) => new Date(time).toISOString().slice(0, 19);

export class TimeWindow {
  constructor(first, last, change) {
    [this.first, this.last, this.change] = [Date.parse(first), Date.parse(last), change];
    [this.from, this.to, this.length, this.slider, this.play] = ["from", "to", "length", "slider", "play"].map(find);
    find("window").hidden = false;
    this.read();
    for (const input of [this.from, this.to]) input.addEventListener("change", () => this.read());
    this.length.addEventListener("change", () => this.choose());
    this.slider.addEventListener("input", () => this.move());
    this.play.addEventListener("click", () => this.toggle());
  }

  /** Slider and length as the fields say. */
  read() {
    const seconds = (readTime(this.to) - readTime(this.from)) / 1000;
    const known = [...this.length.options].some(({ value }) => value === String(seconds));
    if (seconds > 0) this.length.value = known ? String(seconds) : "custom";
    else this.length.value = this.from.value || this.to.value ? "custom" : "";
    this.setStep(seconds > 0 ? seconds * 1000 : 0);
    if (this.step) this.slider.value = Math.round((readTime(this.from) - this.start) / this.step);
    this.tell();
  }

  setStep(step) {
    this.step = step;
    this.start = step ? Math.floor(this.first / step) * step : this.first;
    this.slider.max = step ? Math.floor((this.last - this.start) / step) : 0;
    this.slider.disabled = !step;
    this.play.disabled = !step;
    if (!step) this.stop();
  }

  choose() {
    if (this.length.value === "custom") return;
    this.setStep(Number(this.length.value) * 1000);
    if (this.step) {
      this.slider.value = 0;
      this.move();
      return;
    }
    this.from.value = "";
    this.to.value = "";
    this.tell();
    this.change();
  }

  move() {
    const from = this.start + Number(this.slider.value) * this.step;
    this.from.value = writeTime(from);
    this.to.value = writeTime(from + this.step);
    this.tell();
    this.change();
  }

  tell() {
    const text = this.step ? `${this.from.value} to ${this.to.value}`.replaceAll("T", " ") : "all times";
    this.slider.setAttribute("aria-valuetext", text);
  }

  toggle() {
    if (this.timer) {
      this.stop();
      return;
    }
    this.play.textContent = "Stop";
    this.play.ariaPressed = "true";
    this.timer = setInterval(() => {
      const isLast = Number(this.slider.value) >= Number(this.slider.max);
      this.slider.value = isLast ? 0 : Number(this.slider.value) + 1;
      this.move();
    }, STEP_MILLISECONDS);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "Play";
    this.play.ariaPressed = "false";
  }
}
