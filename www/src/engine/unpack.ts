// The worker's script and the wasm modules lie in this file's own text, packed. Getting them out needs no request.

export async function unpack(id: string): Promise<ArrayBuffer> {
  const text = document.getElementById(id)?.textContent ?? "";
  if (text === "") throw new Error("This file is incomplete: save or download it again.");
  if (typeof DecompressionStream === "undefined" || typeof WebAssembly === "undefined") {
    throw new Error("This browser is too old, or has WebAssembly switched off.");
  }
  const letters = atob(text.trim());
  // A call for each letter would take a tenth of a second.
  const packed = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at += 1) packed[at] = letters.charCodeAt(at);
  const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(plain).arrayBuffer();
}
