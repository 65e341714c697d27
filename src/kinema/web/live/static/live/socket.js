// The connection to a live view: lines of JSON and pictures; it comes back by itself.

const REFUSED = [4401, 4404, 4413, 4429];

/** Connect to `path`; `on` has `line(message)`, `picture(time, blob)`, `away(text, again)` and `open()`. */
export function connect(path, on) {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  let socket = null, tries = 0, closed = false, timer = 0;

  function open() {
    clearTimeout(timer);
    socket = new WebSocket(`${scheme}//${location.host}${path}`);
    socket.binaryType = "arraybuffer";
    socket.addEventListener("open", () => { tries = 0; on.open(); });
    socket.addEventListener("message", ({ data }) => {
      if (typeof data === "string") on.line(JSON.parse(data));
      else on.picture(new DataView(data).getFloat64(0), new Blob([new Uint8Array(data, 8)], { type: "image/jpeg" }));
    });
    socket.addEventListener("close", (event) => {
      if (closed) return;
      if (REFUSED.includes(event.code)) return on.away(event.code === 4401 ? "You are signed out. Load the page again to sign in." : null, true);
      tries += 1;
      on.away(tries > 1 ? "The server does not answer; trying again …" : "The connection is lost; trying again …", false, tries);
      timer = setTimeout(open, Math.min(8000, 400 * 2 ** Math.min(tries, 5)) * (0.75 + Math.random() / 2));
    });
  }

  addEventListener("online", () => { if (socket.readyState > 1 && !closed) open(); });
  addEventListener("pagehide", () => { closed = true; socket.close(); });
  addEventListener("pageshow", (event) => { if (event.persisted) { closed = false; open(); } });
  open();
  return {
    send(message) {
      if (socket.readyState !== 1) return false;
      socket.send(message instanceof ArrayBuffer || message instanceof Blob ? message : JSON.stringify(message));
      return true;
    },
    again() { if (socket.readyState > 1) open(); },
    get waiting() { return socket.bufferedAmount; },
    get ready() { return socket.readyState === 1; },
  };
}
