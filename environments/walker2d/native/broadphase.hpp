// Which shapes may touch: fat bounding boxes, and contacts that live as long as these overlap.
//
// After b2DynamicTree::MoveProxy, b2BroadPhase::UpdatePairs and
// b2ContactManager. A box grows by 0.1 m and by twice the last displacement
// whenever the body leaves it; contacts are created in the order of (static
// shape, body). An index of the course by x takes the tree's place, which is kept only where its order is asked for.
#pragma once

#include "group.hpp"
#include "tree.hpp"

namespace walker {
inline namespace WALKER_KERNEL {

inline bool overlap(const Aabb& a, const Aabb& b) {
    return !(b.lower.x - a.upper.x > 0.0f || b.lower.y - a.upper.y > 0.0f || a.lower.x - b.upper.x > 0.0f ||
             a.lower.y - b.upper.y > 0.0f);
}

inline Aabb fat_box(const Group& g, int lane, int b) {
    return {{g.fat_left[b][lane], g.fat_bottom[b][lane]}, {g.fat_right[b][lane], g.fat_top[b][lane]}};
}

// b2PolygonShape::ComputeAABB
inline Aabb tight_box(const Segment& body, const Pose& pose) {
    V2 lower = pose.corner[0], upper = lower;
    for (int i = 1; i < body.corners; ++i) {
        lower = {minf(lower.x, pose.corner[i].x), minf(lower.y, pose.corner[i].y)};
        upper = {maxf(upper.x, pose.corner[i].x), maxf(upper.y, pose.corner[i].y)};
    }
    return {{lower.x - kPolygonRadius, lower.y - kPolygonRadius}, {upper.x + kPolygonRadius, upper.y + kPolygonRadius}};
}

// Fits the fat box anew round a body that has left it; false where it still fits.
inline bool move_box(Group& g, int lane, int b, const Aabb& swept, V2 displacement) {
    if (g.fat_left[b][lane] <= swept.lower.x && g.fat_bottom[b][lane] <= swept.lower.y &&
        swept.upper.x <= g.fat_right[b][lane] && swept.upper.y <= g.fat_top[b][lane]) {
        return false;
    }
    Aabb fat = {{swept.lower.x - kAabbExtension, swept.lower.y - kAabbExtension},
                {swept.upper.x + kAabbExtension, swept.upper.y + kAabbExtension}};
    const V2 ahead = kAabbMultiplier * displacement;
    (ahead.x < 0.0f ? fat.lower.x : fat.upper.x) += ahead.x;
    (ahead.y < 0.0f ? fat.lower.y : fat.upper.y) += ahead.y;
    g.fat_left[b][lane] = fat.lower.x;
    g.fat_bottom[b][lane] = fat.lower.y;
    g.fat_right[b][lane] = fat.upper.x;
    g.fat_top[b][lane] = fat.upper.y;
    if (TreeNode* const tree = g.tree[lane]) {
        const std::int32_t leaf = leaf_of_body(g.course[lane].size, b), inner = remove_leaf(tree, leaf);
        tree[leaf].box = fat;
        insert_leaf(tree, leaf, inner);
    }
    return true;
}

inline int cell_at(const CourseView& course, float x) {
    const float cell = (x - course.origin) * course.inverse_cell;
    if (!(cell > 0.0f)) return 0;
    return cell < static_cast<float>(course.cells - 1) ? static_cast<int>(cell) : course.cells - 1;
}

// Calls visit(index) once for every shape whose fat box may reach into [left, right].
template <class Visit>
inline void for_shapes_between(const CourseView& course, float left, float right, Visit visit) {
    const int first = cell_at(course, left), last = cell_at(course, right);
    for (int cell = first; cell <= last; ++cell) {
        for (std::int32_t k = course.starts[cell]; k < course.starts[cell + 1]; ++k) {
            const std::int32_t i = course.items[k];
            const std::int32_t own = course.shapes[i].first_cell;
            if (cell == (own > first ? own : first)) visit(i);
        }
    }
}

struct Pair {
    std::int16_t shape;
    std::int8_t body;
};

// Creates the contacts of the bodies in `moved` (a bit each), sorted by shape, then body.
inline void find_new_contacts(Group& g, int lane, unsigned moved) {
    Contacts& contacts = g.contacts[lane];
    const CourseView& course = g.course[lane];
    Pair pairs[kMaxContacts];
    int count = 0;
    for (int b = 0; b < kBodies; ++b) {
        if (!(moved >> b & 1)) continue;
        const Aabb box = fat_box(g, lane, b);
        for_shapes_between(course, box.lower.x, box.upper.x, [&](std::int32_t i) {
            if (!overlap(box, course.shapes[i].fat)) return;
            for (int k = 0; k < contacts.count; ++k) {
                if (contacts.list[k].body == b && contacts.list[k].shape == i) return;
            }
            if (count == kMaxContacts) {
                contacts.overflow = true;
                return;
            }
            int at = count++;
            for (; at > 0 && (pairs[at - 1].shape > i || (pairs[at - 1].shape == i && pairs[at - 1].body > b)); --at) {
                pairs[at] = pairs[at - 1];
            }
            pairs[at] = {static_cast<std::int16_t>(i), static_cast<std::int8_t>(b)};
        });
    }
    for (int i = 0; i < count; ++i) {
        if (contacts.count == kMaxContacts) {
            contacts.overflow = true;
            return;
        }
        Contact& contact = contacts.list[contacts.count++];
        contact.manifold.count = 0;
        contact.toi = 1.0f;
        contact.shape = pairs[i].shape;
        contact.body = pairs[i].body;
        contact.toi_count = 0;
        contact.touching = contact.toi_valid = contact.in_island = false;
        contact.enabled = true;
    }
}

inline void note_touch(Flags& flags, int body, bool begins) {
    if (body == 0) flags.hull_touched = flags.hull_touched || begins;
    if (body == 2) flags.standing[0] = begins;
    if (body == 4) flags.standing[1] = begins;
}

// b2Contact::Update: a new manifold that inherits the impulses of points with the same id.
inline void update_contact(Group& g, const WalkerModel& model, int lane, Contact& contact, const Pose& pose) {
    const Shape& shape = g.course[lane].shapes[contact.shape];
    const Segment& body = model.segment[contact.body];
    const Manifold old = contact.manifold;
    contact.enabled = true;
    collide(contact.manifold, shape, body, pose);
    for (int i = 0; i < contact.manifold.count; ++i) {
        ManifoldPoint& point = contact.manifold.points[i];
        point.normal_impulse = point.tangent_impulse = 0.0f;
        for (int j = 0; j < old.count; ++j) {
            if (old.points[j].id == point.id) {
                point.normal_impulse = old.points[j].normal_impulse;
                point.tangent_impulse = old.points[j].tangent_impulse;
                break;
            }
        }
    }
    const bool touches = contact.manifold.count > 0;
    if (touches != contact.touching) note_touch(g.flags[lane], contact.body, touches);
    contact.touching = touches;
}

// True where the corners' bounding boxes are so far apart that no manifold can come about.
inline bool surely_apart(const Shape& shape, const Aabb& corners) {
    constexpr float kGap = kTotalRadius + 0.005f - kPolygonRadius;  // shape.tight has its skin already
    return (shape.corners == 2 || shape.axis_aligned) &&
           (corners.lower.x - shape.tight.upper.x > kGap || shape.tight.lower.x - corners.upper.x > kGap ||
            corners.lower.y - shape.tight.upper.y > kGap || shape.tight.lower.y - corners.upper.y > kGap);
}

// b2ContactManager::Collide for one world, newest contact first.
inline void collide_world(Group& g, const WalkerModel& model, int lane) {
    Contacts& contacts = g.contacts[lane];
    Pose poses[kBodies];
    Aabb boxes[kBodies];
    unsigned known = 0;
    for (int i = contacts.count - 1; i >= 0; --i) {
        Contact& contact = contacts.list[i];
        const int b = contact.body;
        if (!(known >> b & 1)) {
            known |= 1u << b;
            poses[b] = pose_at(g, model, lane, b);
            boxes[b] = tight_box(model.segment[b], poses[b]);
            boxes[b].lower = {boxes[b].lower.x + kPolygonRadius, boxes[b].lower.y + kPolygonRadius};
            boxes[b].upper = {boxes[b].upper.x - kPolygonRadius, boxes[b].upper.y - kPolygonRadius};
        }
        const Shape& shape = g.course[lane].shapes[contact.shape];
        if (!overlap(fat_box(g, lane, b), shape.fat)) {
            if (contact.touching) note_touch(g.flags[lane], b, false);
            contacts.remove(i);
        } else if (!contact.touching && surely_apart(shape, boxes[b])) {
            contact.enabled = true;
            contact.manifold.count = 0;
        } else {
            update_contact(g, model, lane, contact, poses[b]);
        }
    }
}

}  // namespace WALKER_KERNEL
}  // namespace walker
