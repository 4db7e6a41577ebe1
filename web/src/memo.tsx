// Components that are drawn again only if what they are given has changed.

import type { Component, FunctionComponent } from "preact";

/** Return a component that skips drawing while each of its properties is the same as before. */
export function memo<P extends object>(Inner: FunctionComponent<P>): FunctionComponent<P> {
  return function Remembering(this: Component<P>, props: P) {
    this.shouldComponentUpdate = (next) => differ(this.props as P, next as P);
    return <Inner {...props} />;
  } as FunctionComponent<P>;
}

function differ<P extends object>(before: P, after: P): boolean {
  return (Object.keys(after) as (keyof P)[]).some((name) => before[name] !== after[name]);
}
