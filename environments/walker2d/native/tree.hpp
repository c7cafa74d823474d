// Box2D's tree of bounding boxes, for what depends on its order: the published walker's lidar.
//
// After b2DynamicTree::InsertLeaf, RemoveLeaf and Balance. A ray of POET's code stops at the first shape that
// b2DynamicTree::RayCast happens to visit, so the tree's shape matters, which is the history of every box that
// moved. Node 0 stands above the root, which is its first child. Leaves follow, static shapes and then bodies,
// then inner nodes.
#pragma once

#include "shapes.hpp"
#include "scalar.hpp"

namespace walker {

inline namespace WALKER_KERNEL {

inline std::int32_t leaf_of_shape(std::int32_t shape) { return 1 + shape; }
inline std::int32_t leaf_of_body(std::int32_t shapes, std::int32_t body) { return 1 + shapes + body; }

inline Aabb combine(const Aabb& a, const Aabb& b) {
    return {{minf(a.lower.x, b.lower.x), minf(a.lower.y, b.lower.y)},
            {maxf(a.upper.x, b.upper.x), maxf(a.upper.y, b.upper.y)}};
}

inline float perimeter(const Aabb& a) {
    const float wx = a.upper.x - a.lower.x, wy = a.upper.y - a.lower.y;
    return 2.0f * (wx + wy);
}

inline void replace_child(TreeNode& parent, std::int32_t old, std::int32_t now) {
    parent.child[parent.child[0] == old ? 0 : 1] = now;
}

inline void fit(TreeNode* nodes, std::int32_t inner) {
    TreeNode& node = nodes[inner];
    const TreeNode &first = nodes[node.child[0]], &second = nodes[node.child[1]];
    node.box = combine(first.box, second.box);
    node.height = 1 + (first.height > second.height ? first.height : second.height);
}

// Rotates the higher child of a node up, if it is higher by two; gives what stands in the node's place.
inline std::int32_t balance(TreeNode* nodes, std::int32_t a) {
    if (nodes[a].height < 2) return a;
    const std::int32_t difference = nodes[nodes[a].child[1]].height - nodes[nodes[a].child[0]].height;
    if (difference >= -1 && difference <= 1) return a;
    const int side = difference > 1 ? 1 : 0;
    const std::int32_t up = nodes[a].child[side];
    const std::int32_t first = nodes[up].child[0], second = nodes[up].child[1];
    nodes[up].child[0] = a;
    nodes[up].parent = nodes[a].parent;
    nodes[a].parent = up;
    replace_child(nodes[nodes[up].parent], a, up);
    const bool first_higher = nodes[first].height > nodes[second].height;
    const std::int32_t stays = first_higher ? first : second, moves = first_higher ? second : first;
    nodes[up].child[1] = stays;
    nodes[a].child[side] = moves;
    nodes[moves].parent = a;
    fit(nodes, a);
    fit(nodes, up);
    return up;
}

inline void mend_upwards(TreeNode* nodes, std::int32_t inner) {
    while (inner != 0) {
        inner = balance(nodes, inner);
        fit(nodes, inner);
        inner = nodes[inner].parent;
    }
}

inline std::int32_t best_sibling(const TreeNode* nodes, const Aabb& box) {
    const auto descent = [&](std::int32_t child, float inherited) {
        const float joined = perimeter(combine(box, nodes[child].box));
        const float added = nodes[child].height == 0 ? joined : joined - perimeter(nodes[child].box);
        return added + inherited;
    };
    std::int32_t at = nodes[0].child[0];
    while (nodes[at].height > 0) {
        const float joined = perimeter(combine(nodes[at].box, box));
        const float inherited = 2.0f * (joined - perimeter(nodes[at].box));
        const float here = 2.0f * joined;
        const float cost[2] = {descent(nodes[at].child[0], inherited), descent(nodes[at].child[1], inherited)};
        if (here < cost[0] && here < cost[1]) break;
        at = nodes[at].child[cost[0] < cost[1] ? 0 : 1];
    }
    return at;
}

// Puts a leaf that has its box into the tree, under the inner node `parent`, which is not in use.
inline void insert_leaf(TreeNode* nodes, std::int32_t leaf, std::int32_t parent) {
    nodes[leaf].child[0] = nodes[leaf].child[1] = nodes[leaf].height = 0;
    if (nodes[0].child[0] == 0) {
        nodes[0].child[0] = leaf;
        nodes[leaf].parent = 0;
        return;
    }
    const std::int32_t sibling = best_sibling(nodes, nodes[leaf].box), above = nodes[sibling].parent;
    nodes[parent].parent = above;
    nodes[parent].child[0] = sibling;
    nodes[parent].child[1] = leaf;
    nodes[sibling].parent = nodes[leaf].parent = parent;
    replace_child(nodes[above], sibling, parent);
    fit(nodes, parent);
    mend_upwards(nodes, parent);
}

// Takes a leaf out, which is not the only one; gives the inner node that this sets free.
inline std::int32_t remove_leaf(TreeNode* nodes, std::int32_t leaf) {
    const std::int32_t parent = nodes[leaf].parent, above = nodes[parent].parent;
    const std::int32_t sibling = nodes[parent].child[nodes[parent].child[0] == leaf ? 1 : 0];
    replace_child(nodes[above], parent, sibling);
    nodes[sibling].parent = above;
    mend_upwards(nodes, above);
    return parent;
}

// Where inner nodes begin, and how many nodes there are in all, on a course of so many shapes.
inline std::int32_t first_inner(std::int32_t shapes) { return leaf_of_body(shapes, kBodies); }
inline std::int32_t tree_size(std::int32_t shapes) { return first_inner(shapes) + shapes + kBodies - 1; }

}  // namespace WALKER_KERNEL
}  // namespace walker
