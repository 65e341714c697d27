// This browser's camera: pictures of it to the server, no more than the server takes.

const IN_FLIGHT = 2, FORGOTTEN = 3000, BACKLOG = 400_000, QUALITY = 0.75;

const WORDS = {
  NotAllowedError: "The camera was refused. Allow it in the browser's address bar, then press Start again.",
  NotFoundError: "This device has no camera. Plug one in, or choose another source.",
  NotReadableError: "Another program uses the camera. Close it, then press Start again.",
  OverconstrainedError: "This camera has no picture of that kind. Choose another one.",
};

/** Why there can be no camera at all; null where there can. */
export function impossible() {
  if (!isSecureContext) return "Browsers give a camera only to pages that come by https or from this machine (localhost). Open the site that way: kinema serve --tls-cert … --tls-key …";
  if (!navigator.mediaDevices?.getUserMedia) return "This browser has no access to cameras. Choose another source, or another browser.";
  return null;
}

export class Camera {
  /** `connection` as of socket.js; `rate` pictures a second, `width` pixels; `told(text)` when the camera ends. */
  constructor(video, connection, { rate, width, told }) {
    Object.assign(this, { video, connection, width, told });
    this.interval = 1000 / rate;
    this.canvas = document.createElement("canvas");
    this.flying = new Map();
    this.number = 0;
    this.unsent = 0;
    this.running = false;
    this.opening = 0;
  }

  /** Open the camera; rejects with an Error in words. */
  async open() {
    const reason = impossible();
    if (reason) throw new Error(reason);
    this.close();
    const turn = ++this.opening; // who asks twice gets the later one, and the earlier one is given back
    let media;
    try {
      media = await navigator.mediaDevices.getUserMedia({ audio: false, video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 }, ...(this.device ? { deviceId: { exact: this.device } } : {}) } });
    } catch (error) {
      if (turn !== this.opening) return;
      throw new Error(WORDS[error.name] ?? `The camera cannot be opened (${error.message || error.name}).`);
    }
    if (turn !== this.opening) return media.getTracks().forEach((track) => track.stop());
    this.media = media;
    media.getVideoTracks()[0].addEventListener("ended", () => { this.running = false; this.told("The camera has gone. Plug it in again, then press Start again."); });
    this.video.srcObject = media;
    this.video.hidden = false;
    await this.video.play().catch(() => {});
    if (turn !== this.opening) return;
    this.flying.clear();
    this.running = true;
    this.due = performance.now();
    this.turn();
  }

  /** The cameras that there are. */
  async devices() {
    return (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
  }

  /** On to another camera, such as the one at the back of a phone. */
  async next() {
    const ids = (await this.devices()).map((one) => one.deviceId);
    const now = this.media?.getVideoTracks()[0]?.getSettings().deviceId ?? this.device;
    this.device = ids[(ids.indexOf(now) + 1) % ids.length];
    await this.open();
    if (this.media) this.video.classList.toggle("mirrored", this.media.getVideoTracks()[0].getSettings().facingMode !== "environment");
  }

  close() {
    this.running = false;
    clearTimeout(this.timer);
    for (const track of this.media?.getTracks() ?? []) track.stop();
    this.media = null;
  }

  taken(number) { this.flying.delete(number); }

  turn() {
    if (!this.running) return;
    this.send().catch(() => {});
    const now = performance.now();
    this.due = Math.max(this.due + this.interval, now - this.interval);
    this.timer = setTimeout(() => this.turn(), Math.max(0, this.due - now));
  }

  async send() {
    const { video, canvas } = this, now = performance.now();
    if (!this.connection.ready || video.readyState < 2 || !video.videoWidth) return;
    for (const [number, at] of this.flying) if (now - at > FORGOTTEN) this.flying.delete(number);
    if (this.flying.size >= IN_FLIGHT || this.connection.waiting > BACKLOG) {
      this.unsent += 1;
      return;
    }
    const number = (this.number = (this.number + 1) >>> 0);
    this.flying.set(number, now);
    const scale = Math.min(1, this.width / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d", { alpha: false }).drawImage(video, 0, 0, canvas.width, canvas.height);
    const jpeg = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
    if (!jpeg) return this.taken(number);
    const pixels = await jpeg.arrayBuffer(), message = new ArrayBuffer(12 + pixels.byteLength), head = new DataView(message);
    head.setUint32(0, number);
    head.setFloat64(4, now / 1000);
    new Uint8Array(message, 12).set(new Uint8Array(pixels));
    if (!this.connection.send(message)) this.taken(number);
  }
}
