/** Makes the nodes after `start` equal to `wanted`, keeping every node that is already right: a selection stays, little is laid out anew. */

export function morphAfter(parent: Node, start: ChildNode | null, wanted: DocumentFragment): void {
  let current: ChildNode | null = start ? start.nextSibling : parent.firstChild;
  let next = wanted.firstChild;
  while (next) {
    const following: ChildNode | null = next.nextSibling;
    if (!current) parent.appendChild(next);
    else {
      const after: ChildNode | null = current.nextSibling;
      if (!morphNode(current, next)) current.replaceWith(next);
      current = after;
    }
    next = following;
  }
  while (current) {
    const after: ChildNode | null = current.nextSibling;
    current.remove();
    current = after;
  }
}

/** False if the node is of another kind and must be replaced. */
function morphNode(current: ChildNode, wanted: ChildNode): boolean {
  if (current instanceof Text && wanted instanceof Text) {
    const data = wanted.data;
    if (current.data === data) return true;
    if (data.startsWith(current.data)) current.appendData(data.slice(current.data.length));
    else current.data = data;
    return true;
  }
  if (!(current instanceof Element) || !(wanted instanceof Element) || current.nodeName !== wanted.nodeName) return false;
  for (const { name, value } of wanted.attributes) if (current.getAttribute(name) !== value) current.setAttribute(name, value);
  if (current.attributes.length !== wanted.attributes.length) {
    for (const { name } of [...current.attributes]) if (!wanted.hasAttribute(name)) current.removeAttribute(name);
  }
  const children = document.createDocumentFragment();
  children.append(...wanted.childNodes);
  morphAfter(current, null, children);
  return true;
}
