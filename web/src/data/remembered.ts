// The reviewer's name, keys and audits, as the browser keeps them. A frame of another page, as in a notebook, may
// not be let near the browser's storage, and storage can be full: then they last as long as the page is open.

const whileOpen = new Map<string, string>();

export function remembered(name: string): string | null {
  const found = whileOpen.get(name);
  if (found !== undefined) {
    return found;
  }
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function remember(name: string, text: string): void {
  try {
    localStorage.setItem(name, text);
    whileOpen.delete(name);
  } catch {
    whileOpen.set(name, text);
  }
}
