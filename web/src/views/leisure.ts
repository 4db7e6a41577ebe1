// Does something again when there is news, at leisure: not with each, never two at a time, but in the end for all.

export class Leisure {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isBusy = false;
  private hasMore = false;
  private isFirst = true;

  /** `look` must not fail; the first news are looked at without a wait. */
  constructor(
    private readonly look: () => Promise<void>,
    private readonly waitMs: number,
  ) {}

  /** Says that there is news. A wait that runs goes on: news that come faster would put it off for ever. */
  tell(): void {
    if (this.isBusy) {
      this.hasMore = true;
    } else {
      this.timer ??= setTimeout(() => void this.run(), this.isFirst ? 0 : this.waitMs);
    }
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.hasMore = false;
  }

  private async run(): Promise<void> {
    this.timer = undefined;
    [this.isBusy, this.isFirst] = [true, false];
    await this.look();
    this.isBusy = false;
    if (this.hasMore) {
      this.hasMore = false;
      this.tell();
    }
  }
}
