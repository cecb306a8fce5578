// The worker's script and the wasm modules lie in this file's own text, packed. Getting them out needs no request.

export async function unpack(id: string): Promise<ArrayBuffer> {
  const text = document.getElementById(id)?.textContent ?? "";
  if (text === "") throw new Error("This file is incomplete: save or download it again.");
  if (typeof DecompressionStream === "undefined" || typeof WebAssembly === "undefined") {
    throw new Error("This browser is too old, or has WebAssembly switched off.");
  }
  const packed = Uint8Array.from(atob(text.trim()), (char) => char.charCodeAt(0));
  const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(plain).arrayBuffer();
}
