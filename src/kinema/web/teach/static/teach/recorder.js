// The camera: opened once, recorded from in short pieces; sounds that count in.

const KINDS = ["video/webm;codecs=vp8", "video/webm", "video/mp4"];

/** Why nothing can be recorded here; empty where it can. */
export function impossible() {
  if (!window.isSecureContext) {
    return "Browsers give a camera to secure pages only. Open this site on the machine that runs it, by http://localhost, or serve it with https. Clips can be added without a camera.";
  }
  if (!navigator.mediaDevices?.getUserMedia || typeof MediaRecorder === "undefined") {
    return "This browser cannot record. Take a newer one, or add clips that were recorded elsewhere.";
  }
  return "";
}

/** What went wrong with the camera, and what helps. */
export function inWords(error) {
  const rest = " Clips can be added without a camera.";
  switch (error.name) {
    case "NotAllowedError": return "The camera was refused. Allow it in the browser's address bar and try again." + rest;
    case "NotFoundError": case "OverconstrainedError": return "No camera was found. Plug one in and try again." + rest;
    case "NotReadableError": case "AbortError": return "The camera is busy: another program or page has it. Close that and try again." + rest;
    default: return `The camera does not open (${error.message || error.name}).` + rest;
  }
}

export async function openCamera(device) {
  return navigator.mediaDevices.getUserMedia({
    audio: false,
    video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30, max: 30 }, ...(device ? { deviceId: { exact: device } } : {}) },
  });
}

export async function cameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "videoinput");
}

export class Stopped extends Error {}

/** Wait; `signal` ends it with `Stopped`. */
export function wait(seconds, signal) {
  return new Promise((go, stop) => {
    if (signal?.aborted) return stop(new Stopped());
    const timer = setTimeout(() => { signal?.removeEventListener("abort", end); go(); }, seconds * 1000);
    function end() { clearTimeout(timer); stop(new Stopped()); }
    signal?.addEventListener("abort", end, { once: true });
  });
}

/** Record so many seconds of a stream; resolves to a Blob. */
export async function record(stream, seconds, signal) {
  const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
  const recorder = new MediaRecorder(stream, { ...(mimeType ? { mimeType } : {}), videoBitsPerSecond: 1_500_000 });
  const pieces = [];
  recorder.addEventListener("dataavailable", (event) => { if (event.data.size) pieces.push(event.data); });
  const ended = new Promise((go, fail) => {
    recorder.addEventListener("stop", go, { once: true });
    recorder.addEventListener("error", (event) => fail(event.error ?? new Error("recording failed")), { once: true });
  });
  const began = new Promise((go) => recorder.addEventListener("start", go, { once: true }));
  recorder.start();
  try {
    await Promise.race([began, wait(2, signal)]);
    await wait(seconds, signal);
  } finally {
    if (recorder.state !== "inactive") recorder.stop();
  }
  await ended;
  return new Blob(pieces, { type: recorder.mimeType || mimeType || "video/webm" });
}

let audio = null;

/** A short tone: low while it counts, high when it is time. */
export function tone(high) {
  try {
    audio ??= new AudioContext();
    const oscillator = audio.createOscillator(), volume = audio.createGain();
    oscillator.frequency.value = high ? 880 : 440;
    volume.gain.setValueAtTime(0.08, audio.currentTime);
    volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + (high ? 0.35 : 0.15));
    oscillator.connect(volume).connect(audio.destination);
    oscillator.start();
    oscillator.stop(audio.currentTime + 0.4);
  } catch { /* a machine without sound */ }
}
