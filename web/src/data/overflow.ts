// Where decisions go when the browser's storage for short texts is full: IndexedDB, which takes gigabytes.
//
// It is only the second choice, since it writes later than it is told to: a page that is closed at once may lose
// what localStorage would have kept.

const STORE = "acts";

export class Overflow<Entry> {
  constructor(private readonly name: string) {}

  /** All entries, in the order they were added; none where the browser has no such storage. Fails where it has one
   * and gives nothing back: what was kept there is then not known. */
  async all(): Promise<Entry[]> {
    if (typeof indexedDB === "undefined") {
      return [];
    }
    return this.run("readonly", (store) => store.getAll() as IDBRequest<Entry[]>);
  }

  /** Adds an entry; resolves when it is written. */
  async add(entry: Entry): Promise<void> {
    await this.run("readwrite", (store) => store.add(entry));
  }

  private async run<T>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    const database = await this.open();
    try {
      const transaction = database.transaction(STORE, mode, { durability: "strict" });
      const request = ask(transaction.objectStore(STORE));
      await new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error ?? new Error("not written"));
      });
      return request.result;
    } finally {
      database.close();
    }
  }

  private open(): Promise<IDBDatabase> {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open(this.name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { autoIncrement: true });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error ?? new Error("cannot be opened"));
    });
  }
}
